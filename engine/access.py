"""Who may do what: scopes, trust, and the record of a key. Settings, store, API and commands share these words.

A key is at least 128 random bits, shown once and kept as a SHA-256 digest. A slow hash, as for passwords that
people choose, would add nothing: there is nothing to guess.
"""

from __future__ import annotations

import enum
import hashlib
import math
import re
import secrets
from collections.abc import Iterator

import msgspec

from engine.kernels.wire import FIRST_CONTACT_KIND, Kind

LEAST_KEY_CHARACTERS = 22  # 128 bits in base64; in hexadecimal it would be 32
_KEY_BYTES = 32


class Scope(enum.StrEnum):
    """What a key opens."""

    EVENTS_WRITE = "events:write"
    CONTACTS_WRITE = "contacts:write"
    OUTCOMES_WRITE = "outcomes:write"
    CUES_READ = "cues:read"
    DECISIONS = "decisions"
    CUSTOMERS_READ = "customers:read"
    CUSTOMERS_WRITE = "customers:write"
    CUSTOMERS_ERASE = "customers:erase"
    IDENTITY_WRITE = "identity:write"
    AGENTS_READ = "agents:read"
    RULES_READ = "rules:read"
    RULES_WRITE = "rules:write"
    METRICS = "metrics"
    TOKENS_WRITE = "tokens:write"
    ADMIN = "admin"  # all of them, and the keys themselves


class Trust(enum.StrEnum):
    """Whether the holder is known: a public key lies in a website, where everybody can read it."""

    PUBLIC = "public"
    SECRET = "secret"


#: All that a public key may have: nothing that opens what is known of another person.
PUBLIC_SCOPES = frozenset({Scope.EVENTS_WRITE, Scope.OUTCOMES_WRITE, Scope.CUES_READ})

#: All that a visitor token may have, each for the visitor's own ids alone.
VISITOR_SCOPES = PUBLIC_SCOPES | {Scope.DECISIONS}

#: Kinds of event that a public key may not write unless its record names them: only the company's own systems
#: know of them.
SERVER_KINDS = frozenset({Kind.ORDER_REFUNDED, Kind.ORDER_CANCELLED, Kind.ORDER_UPDATED, Kind.TRAITS_SET})
#: The contact centre's, and consent, which its sources write, too.
CONTACT_KINDS = frozenset(kind for kind in Kind if kind >= FIRST_CONTACT_KIND) - {Kind.ERASED}
EVENT_KINDS = frozenset(Kind) - {Kind.ERASED}  # an erasure has a call and a scope of its own
CLIENT_KINDS = EVENT_KINDS - SERVER_KINDS - CONTACT_KINDS

HOW_ORIGINS_ARE_WRITTEN = (
    "write https://shop.example: small letters, each website by itself without *, other letters as browsers send "
    "them (xn--…), no path, no port 443 (or 80 of http)"
)

#: Who stands in audits and lessons without a key of its own.
DEMO_PAGE, VISITORS = "demo-page", "visitor-tokens"

_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
_USUAL_PORT = re.compile(r"http://[^/]*:80|https://[^/]*:443")
_LAST_PORT = 65_535


class KeyRecord(msgspec.Struct, frozen=True, rename="camel"):
    """A key, without the key.

    ``hash`` is `hash_of` it. ``origins``: websites from which browsers may use it (none: any). ``kinds``: names of
    `Kind` that it may write (none: those of its trust and scopes). ``rate``: requests a second (0: the settings'
    own). ``quota``: requests and events a day, UTC (0: any number). ``expires_at`` and ``created_at`` are epoch ms
    (0: never, unknown).
    """

    id: str
    hash: str
    trust: Trust
    scopes: tuple[Scope, ...]
    origins: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    rate: float = 0.0
    quota: int = 0
    expires_at: int = 0
    created_at: int = 0


def make_key(trust: Trust) -> str:
    """A new key of 256 random bits. Its beginning lets people and scanners of source code recognise it."""
    return f"cueline_{trust.value}_{secrets.token_urlsafe(_KEY_BYTES)}"


def hash_of(key: str | bytes) -> str:
    """The digest under which a key is kept."""
    data = key.encode() if isinstance(key, str) else key
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def faults_of(record: KeyRecord) -> Iterator[str]:
    """What is wrong with a record, in sentences that begin with the name of the field."""
    if not _ID.fullmatch(record.id):
        yield "id: 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
    if record.id in (DEMO_PAGE, VISITORS):
        yield f"id: {record.id} stands for others in audits and lessons; give another name"
    if not _HASH.fullmatch(record.hash):
        yield "hash: write sha256: and 64 hexadecimal digits, as `cueline keys create --print` shows it"
    if not record.scopes:
        yield f"scopes: one of {', '.join(Scope)} at least"
    if record.trust is Trust.PUBLIC and (secret := set(record.scopes) - PUBLIC_SCOPES):
        yield f"scopes: a public key cannot have {', '.join(sorted(secret))}: everybody can read it in the website"
    for origin in record.origins:
        if not is_origin(origin):
            yield f"origins: {origin!r} is no origin; {HOW_ORIGINS_ARE_WRITTEN}"
    for kind in record.kinds:
        if Kind.__members__.get(kind.upper()) not in EVENT_KINDS:
            known = ", ".join(one.name.lower() for one in sorted(EVENT_KINDS))
            yield f"kinds: {kind!r} is no kind of event that a key writes; they are {known}"
    if not 0 <= record.rate < math.inf:
        yield "rate: 0 or more requests a second"
    if record.quota < 0:
        yield "quota: 0 or more a day"


def is_origin(text: str) -> bool:
    """Whether `text` is an origin, as browsers state it: scheme, host in small letters, and a port unless it is
    the scheme's."""
    found = _ORIGIN.fullmatch(text)
    return found is not None and int(found[1] or 0) <= _LAST_PORT and _USUAL_PORT.fullmatch(text) is None


def kinds_of(record: KeyRecord) -> frozenset[Kind]:
    """The kinds of event that the holder may write."""
    if record.kinds:
        return frozenset(Kind[name.upper()] for name in record.kinds)
    if record.trust is Trust.PUBLIC:
        return CLIENT_KINDS
    if Scope.CONTACTS_WRITE in record.scopes or Scope.ADMIN in record.scopes:
        return EVENT_KINDS
    return EVENT_KINDS - CONTACT_KINDS
