"""Every external event format that Cueline accepts. A new one is a folder beside `segment` and an entry here; a
contact centre's is a mapping file, which takes no code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.errors import BadSettings
from engine.ports.sources import ContactSource, ContactSources, RecordSource, Sources
from engine.sources.contacts.mapping import MappedSource
from engine.sources.contacts.mapping_file import load
from engine.sources.segment.limits import LIMITS, Limits
from engine.sources.segment.payload import SegmentSource

#: Secrets by the source that signs with them.
Secrets = Mapping[str, Sequence[bytes]]

CODED: tuple[str, ...] = ("segment",)


def sources(limits: Limits = LIMITS, contacts: ContactSources | None = None) -> Sources:
    """All that records on Kafka may name, by name, within `limits`."""
    segment: RecordSource = SegmentSource(limits)
    return {segment.name: segment, **(contacts or {})}


def contact_sources(
    directory: Path, limits: Limits = LIMITS, secrets: Secrets | None = None, public_url: str = ""
) -> ContactSources:
    """The contact centre's sources by name: those in code, and one for each mapping file in `directory`. Raises
    `BadRule` for files with faults, and `BadSettings` for `secrets` that no source can use."""
    given = secrets or {}
    mappings = load(directory, CODED)
    for mapping in mappings:
        signature = mapping.signature
        if mapping.source in given and signature is not None and signature.needs_url and not public_url:
            raise BadSettings(f"contacts.public_url is needed: {mapping.source} signs the address it sends to")
    signing = {mapping.source for mapping in mappings if mapping.signature is not None}
    if unused := sorted(set(given) - signing):
        names = ", ".join(sorted(signing))
        raise BadSettings(f"contacts.secrets: {', '.join(unused)}: no source that signs; there are {names}")
    found: list[ContactSource] = [
        MappedSource(mapping, limits, given.get(mapping.source, ())) for mapping in mappings
    ]
    return {source.name: source for source in found}
