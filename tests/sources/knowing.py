"""The shipped sources where links are on, and the ids of addresses, made plainly."""

from __future__ import annotations

import hashlib
import hmac

from engine.customer_id import CustomerId
from engine.identity.identification import Identification
from engine.sources.registry import contact_sources
from engine.sources.segment.limits import Limits
from tests.sources.contacts import ROOT

SECRET = b"the-deployments-secret"
LIMITS = Limits(identification=Identification(SECRET, "DE", shared=["+49301999*", "team@shop.example"]))
KNOWING = contact_sources(ROOT / "config" / "sources", LIMITS)

ANN, LEE = "ann@home.example", "lee@home.example"
PHONE, COMPANY = "+4930123456", "+49301999123"


def hashed(address: str) -> CustomerId:
    """The customer known by a normalised address or number."""
    kind = "email" if "@" in address else "phone"
    digest = hmac.new(SECRET, kind.encode() + b"\0" + address.encode(), hashlib.sha256).hexdigest()
    return CustomerId(f"{kind}:{digest[:32]}")
