"""Who may go on: rates of keys, addresses and visitors, and quotas of keys; 429 with Retry-After for the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from blacksheep import Request

from engine.errors import RateLimited
from engine.events import Message
from engine.settings import Settings
from engine.web.auth.principal import Principal
from engine.web.auth.quotas import Quotas
from engine.web.push.fan_out import Share
from engine.web.server.addresses import ClientAddresses
from engine.web.server.rates import Draught, RateLimiter

_TOO_MANY_FAILURES = "too many attempts from this address showed no valid key or token"


class Admission:
    """Counts in this process; the quotas with all others.

    Addresses and visitors count for public keys and visitor tokens: many servers of a company share one address,
    and a secret key is a company's own.
    """

    def __init__(self, settings: Settings, quotas: Quotas, limiter: RateLimiter | None = None) -> None:
        self._rates = settings.rates
        self._addresses = ClientAddresses(settings.web.trusted_proxies)
        self._limiter = limiter or RateLimiter()
        self._quotas = quotas

    def address(self, request: Request) -> str:
        """Where a request comes from."""
        return self._addresses.of(request)

    def stranger(self, request: Request) -> None:
        """Count a request by its address alone. Raises `RateLimited`."""
        if per_second := self._rates.address_per_second:
            self._limiter.take(f"address {self._addresses.of(request)}", per_second)

    def failed(self, request: Request) -> None:
        """Count an attempt that showed no key or token of ours. Raises `RateLimited` when it is one too many."""
        self._fail(request, 1.0)

    def may_fail(self, request: Request) -> None:
        """Raises `RateLimited` where one more failed attempt of its address would be too many; counts nothing."""
        self._fail(request, 0.0)

    def _fail(self, request: Request, cost: float) -> None:
        if not (per_second := self._rates.failures_per_second):
            return
        try:
            self._limiter.take(f"failures {self._addresses.of(request)}", per_second, cost)
        except RateLimited as refused:
            raise RateLimited(_TOO_MANY_FAILURES, refused.retry_after) from None

    def request(self, caller: Principal, request: Request) -> None:
        """Count a request. Raises `RateLimited`."""
        if per_second := caller.rate or self._rates.key_per_second:
            self._limiter.take(f"key {caller.id}", per_second)
        if caller.public:
            self.stranger(request)
        if caller.quota:
            self._quotas.spend(caller, 1)

    def events(self, caller: Principal, request: Request, messages: Sequence[Message]) -> None:
        """Count the events of a request, one of which the request itself has paid for. Raises `RateLimited`."""
        if caller.public:
            self._limiter.take_all([*self._draughts(caller, request, messages)])
        if caller.quota:
            self._quotas.spend(caller, len(messages) - 1)

    def _draughts(self, caller: Principal, request: Request, messages: Sequence[Message]) -> Iterator[Draught]:
        if per_second := self._rates.address_events_per_second:
            yield Draught(f"address's events {self._addresses.of(request)}", per_second, len(messages))
        if per_second := self._rates.visitor_events_per_second:
            for customer, number in Counter(message.customer for message in messages).items():
                yield Draught(_named(customer, caller), per_second, number)

    def stream(self, caller: Principal, request: Request, visitor: str) -> Iterable[Share]:
        """Of which shares of all event streams one of `caller` is a part: its address's and the visitor's."""
        if not caller.public:
            return ()
        return (
            Share(f"address {self._addresses.of(request)}", self._rates.streams_per_address),
            Share(_named(visitor, caller), self._rates.streams_per_visitor),
        )


def _named(visitor: str, caller: Principal) -> str:
    """Under which name the visitor counts: whoever shows the visitor's token shares with nobody who only says the
    id, and could use all of it up."""
    return f"{'visitor' if caller.vouches_for(visitor) else 'unsigned visitor'} {visitor}"
