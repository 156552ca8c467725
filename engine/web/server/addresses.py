"""Where a request comes from: the peer, or what a proxy that is trusted says of it."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Sequence

from blacksheep import Request

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

UNKNOWN = "unknown"
_MOST_HOPS = 16  # of X-Forwarded-For that are read
_MOST_BYTES = 1_024
#: A hop with its port, or in brackets, as Azure's gateways and some of AWS's load balancers write it.
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+")
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")  # RFC 4291, 2.5.5.2
_IPV6_PREFIX = 64  # what one household or host is given (RFC 6177): whoever has it has 2^64 addresses


class ClientAddresses:
    """The address of a client. `proxies`: networks (``10.0.0.0/8``) whose X-Forwarded-For is believed.

    Read from its end: each trusted proxy appended the peer it saw, and what stands before the first that is not
    trusted anybody may have written. Raises ValueError for what is no network.
    """

    def __init__(self, proxies: Sequence[str]) -> None:
        self._proxies = tuple(map(_network, proxies))

    def of(self, request: Request) -> str:
        """The client's IPv4 address, the /64 of an IPv6 one, or `UNKNOWN` (a Unix socket)."""
        peer = (request.scope.get("client") or ("",))[0] or ""
        if self._proxies and self._trusts(peer):
            headers = request.get_headers(b"x-forwarded-for")
            forwarded = b",".join(headers)[-_MOST_BYTES:].decode(errors="replace")
            hops = [hop for part in forwarded.split(",") if (hop := part.strip())]
            peer = self._behind(peer, hops[-_MOST_HOPS:])
        return _bucket(peer)

    def _behind(self, peer: str, hops: Sequence[str]) -> str:
        """The last hop that is no trusted proxy; what is no address is not believed."""
        for hop in reversed(hops):
            if _address(named := _without_port(hop)) is None:
                break
            peer = named
            if not self._trusts(peer):
                break
        return peer

    def _trusts(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in proxy for proxy in self._proxies)


def _network(text: str) -> Network:
    """One of IPv4 mapped into IPv6 (``::ffff:10.0.0.0/104``) is that of IPv4, as `_address` has addresses."""
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        first, prefix = int(network.network_address) & 0xFFFF_FFFF, network.prefixlen - _MAPPED.prefixlen
        return ipaddress.IPv4Network((first, prefix))
    return network


def _without_port(hop: str) -> str:
    found = _WITH_PORT.fullmatch(hop)
    return found[1] or found[2] if found else hop


@functools.lru_cache(maxsize=4_096)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@functools.lru_cache(maxsize=4_096)
def _bucket(text: str) -> str:
    address = _address(text)
    if address is None:
        return UNKNOWN
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((int(address), _IPV6_PREFIX), strict=False))
