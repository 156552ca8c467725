"""The contact centre's sources as the settings have them: the same in every process."""

from __future__ import annotations

from engine.errors import BadSettings
from engine.ports.sources import ContactSources
from engine.settings import Settings
from engine.sources.registry import contact_sources
from engine.sources.segment.limits import Limits


def configured_contacts(settings: Settings, limits: Limits) -> ContactSources:
    """By name. Raises `BadRule` for mapping files with faults, and `BadSettings`."""
    secrets: dict[str, list[bytes]] = {}
    for number, one in enumerate(settings.contacts.secrets):
        if not (secret := one.secret.get_secret_value()).strip():
            raise BadSettings(
                f"contacts.secrets[{number}].secret, of {one.source}, is empty: anybody could sign with it"
            )
        secrets.setdefault(one.source, []).append(secret.encode())
    contacts = settings.contacts
    within_ms = contacts.signed_within_s * 1_000
    return contact_sources(contacts.mappings, limits, secrets, contacts.public_url, within_ms)
