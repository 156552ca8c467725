"""Addresses of brokers. What is no address is never shown: it may be a password."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.errors import BadSettings

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})")


def addresses(brokers: str) -> list[str]:
    """``host:port`` of each, without blanks. Raises `BadSettings` with a line for each that is none."""
    entries = [entry.strip() for entry in brokers.split(",")]
    if faults := list(_faults(entries)):
        raise BadSettings("\n".join(faults))
    return entries


def split(address: str) -> tuple[str, int]:
    """Host, without brackets, and port of one that `addresses` gave."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _faults(entries: list[str]) -> Iterator[str]:
    for number, entry in enumerate(entries, 1):
        which = "kafka.brokers" if len(entries) == 1 else f"kafka.brokers: entry {number} of {len(entries)}"
        found = _ADDRESS.fullmatch(entry)
        if "@" in entry:
            cure = "write host:port alone, and set kafka.sasl_user and kafka.sasl_password"
            yield f"{which} holds a user or a password: {cure}"
        elif "://" in entry:
            yield f"{which} begins with a scheme: write host:port alone, and set kafka.security_protocol"
        elif found is None or not 0 < int(found["port"]) < 65_536:
            yield f"{which} is no host:port, as in kafka.example.com:9092"
