"""The contact centre's sources as the settings have them: the same in every process."""

from __future__ import annotations

from engine.ports.sources import ContactSources
from engine.settings import Settings
from engine.sources.registry import contact_sources
from engine.sources.segment.limits import Limits


def configured_contacts(settings: Settings, limits: Limits) -> ContactSources:
    """By name. Raises `BadRule` for mapping files with faults, and `BadSettings`."""
    secrets: dict[str, list[bytes]] = {}
    for one in settings.contacts.secrets:
        secrets.setdefault(one.source, []).append(one.secret.get_secret_value().encode())
    return contact_sources(settings.contacts.mappings, limits, secrets, settings.contacts.public_url)
