"""Free ports on 127.0.0.1."""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"

#: Below every system's ephemeral range: no outgoing connection takes the port while a service restarts on it.
LOWEST, HIGHEST = 20_000, 32_000


def free_port() -> int:
    """A port on which nobody listens now. Raises OSError when 200 tries found none."""
    for port in random.SystemRandom().sample(range(LOWEST, HIGHEST), 200):
        if is_free(port):
            return port
    raise OSError(f"no free port between {LOWEST} and {HIGHEST} on {HOST}")


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now."""
    with socket.socket() as probe:
        # as servers do: a port whose last connections linger in TIME_WAIT is free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
