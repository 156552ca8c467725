"""Whether the contact centre's mapping files can be read, and what their settings come to."""

from __future__ import annotations

from engine.errors import BadRule, BadSettings
from engine.process.contacts import configured_contacts
from engine.process.doctor.finding import Finding
from engine.settings import Settings
from engine.sources.segment.limits import LIMITS


def of_contacts(settings: Settings) -> Finding:
    """The sources that there are, or every fault."""
    try:
        names = sorted(configured_contacts(settings, LIMITS))
    except BadRule as bad:
        return Finding("contacts", "bad", "\n".join(bad.faults))
    except BadSettings as bad:
        return Finding("contacts", "bad", str(bad))
    signed = sorted({one.source for one in settings.contacts.secrets})
    checked = f"signatures are checked of {', '.join(signed)}" if signed else "no signature is checked"
    if not settings.contacts.mappings.is_dir():
        missing = f"contacts.mappings: {settings.contacts.mappings}: no such directory, so no mapping file is read"
        return Finding("contacts", "warning", f"{', '.join(names)} only: {missing}")
    return Finding("contacts", "good", f"{', '.join(names)}; {checked}")
