"""Every external event format that Cueline accepts. A new one is a folder beside `segment` and an entry here; a
contact centre's is a mapping file, which takes no code, or an entry of `CODED`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.errors import BadSettings
from engine.ports.sources import ContactSources, RecordSource, Sources
from engine.sources.contacts.amazon_connect import AmazonConnect
from engine.sources.contacts.chatwoot import Chatwoot
from engine.sources.contacts.cloudevents import CloudEvents
from engine.sources.contacts.mapping import MappedSource
from engine.sources.contacts.mapping_file import load
from engine.sources.contacts.signature import MOST_AGE_MS
from engine.sources.contacts.vendor import CodedSource, VendorSource
from engine.sources.segment.limits import LIMITS, Limits
from engine.sources.segment.payload import SegmentSource

_ADDRESS = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[^\s?#]*)?")

#: Secrets by the source that signs with them.
Secrets = Mapping[str, Sequence[bytes]]

CODED: tuple[type[CodedSource], ...] = (AmazonConnect, Chatwoot, CloudEvents)


def sources(limits: Limits = LIMITS, contacts: ContactSources | None = None) -> Sources:
    """All that records on Kafka may name, by name, within `limits`."""
    segment: RecordSource = SegmentSource(limits)
    return {segment.name: segment, **(contacts or {})}


def contact_sources(
    directory: Path,
    limits: Limits = LIMITS,
    secrets: Secrets | None = None,
    public_url: str = "",
    signed_within_ms: int = MOST_AGE_MS,
) -> ContactSources:
    """The contact centre's sources by name: those in code, and one for each mapping file in `directory`. Raises
    `BadRule` for files with faults, and `BadSettings` for `secrets` that no source can use."""
    given = secrets or {}
    taken = [SegmentSource.name, *(coded.name for coded in CODED)]
    mappings = load(directory, taken)
    found: list[VendorSource] = [
        *(coded(limits, given.get(coded.name, ()), signed_within_ms) for coded in CODED),
        *(MappedSource(one, limits, given.get(one.source, ()), signed_within_ms) for one in mappings),
    ]
    _check(found, given, public_url)
    return {source.name: source for source in found}


def _check(found: Sequence[VendorSource], secrets: Secrets, public_url: str) -> None:
    """Raises `BadSettings`."""
    signatures = {source.name: source.signature for source in found if source.signature is not None}
    if unused := sorted(set(secrets) - set(signatures)):
        names = ", ".join(sorted(signatures))
        raise BadSettings(f"contacts.secrets: {', '.join(unused)}: no source that signs; there are {names}")
    if public_url and not _ADDRESS.fullmatch(public_url):
        raise BadSettings("contacts.public_url: write https://cueline.example, without a query")
    for name, of_source in secrets.items():
        if refusal := next(filter(None, map(signatures[name].refusal, of_source)), ""):
            raise BadSettings(f"contacts.secrets: the one of {name} is {refusal}")
        if signatures[name].needs_url and not public_url:
            raise BadSettings(f"contacts.public_url is needed: {name} signs the address that it sends to")
