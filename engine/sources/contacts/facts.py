"""What a vendor states of one event, as its format finds it and before anything is made of it."""

from __future__ import annotations

import msgspec

from engine.events import ContactChannel, Kind
from engine.kernels.wire import FIRST_INSTRUCTION_KIND
from engine.sources.contacts.found import NOTHING, Found

#: Kinds that say what a contact came to; of all others the reason is why it was made.
_COME_TO = (Kind.CONTACT_ENDED, Kind.CONTACT_ABANDONED, Kind.CONTACT_WRAPPED_UP, Kind.CONTACT_OUTCOME)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Values as they came, and where. `id` is the vendor's own id of the event. `customer_else` counts where
    `customer` is no id, and so does `contact_else`. The contact's id gets `prefix` before it, where the vendor's
    are such as others have, too.

    `reason` is why the contact was made, and `outcome` what it came to; where a format has no `outcome` of its own
    (None), its reason is both. ``emails`` and ``phones`` are the customer's, never the company's: what stands at
    each place that may hold some.
    """

    source: str
    kind: Kind
    contact: Found
    contact_else: tuple[Found, ...] = ()
    customer: Found = NOTHING
    customer_else: tuple[Found, ...] = ()
    id: Found = NOTHING
    time: Found = NOTHING
    channel: ContactChannel = ContactChannel.UNKNOWN
    queue: Found = NOTHING
    agent: Found = NOTHING
    reason: Found = NOTHING
    outcome: Found | None = None
    score: Found = NOTHING
    emails: tuple[Found, ...] = ()
    phones: tuple[Found, ...] = ()
    prefix: str = ""

    @property
    def said(self) -> Found:
        """The word of this event: why, or what it came to."""
        return self.outcome if self.outcome is not None and self.kind in _COME_TO else self.reason

    @property
    def is_instruction(self) -> bool:
        """Whether it gives or revokes consent."""
        return self.kind >= FIRST_INSTRUCTION_KIND

    @property
    def is_contact(self) -> bool:
        """Whether somebody was in contact: not by consent, nor by what became of an e-mail that was sent."""
        sent = self.kind is Kind.CONTACT_OUTCOME and self.channel is ContactChannel.EMAIL
        return not self.is_instruction and not sent
