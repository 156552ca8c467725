"""TLS in front of a server that has none: the Valkey of a Python package is built without.

A process by itself, run with a port to listen on, the server's port, a file with key and certificate, and perhaps
the CA of its clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from pathlib import Path

from engine.local.loopback import free_port
from engine.tls import speaks_tls
from loadtest.servers import Service
from tests.certificates import HOST


class TlsProxy(Service):
    """Leads from `port` to the server at `target`. `certificates`: their folder (`write_certificates`), in which
    `name` is the proxy's own. `asks`: clients need a certificate, too."""

    def __init__(self, target: int, certificates: Path, name: str = "server", asks: bool = False) -> None:
        self.port = free_port()
        client_ca = [str(certificates / "ca.pem")] if asks else []
        words = [str(self.port), str(target), str(certificates / f"{name}.pem"), *client_ca]
        log = certificates / f"proxy-{self.port}.log"
        super().__init__(
            [sys.executable, "-m", "tests.tls_proxy", *words], log, lambda: speaks_tls(HOST, self.port)
        )


async def serve(port: int, target: int, certificate: str, client_ca: str = "") -> None:
    """Until it is killed."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca or None)
    context.load_cert_chain(certificate)
    context.verify_mode = ssl.CERT_REQUIRED if client_ca else ssl.CERT_NONE

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, to_them = await asyncio.open_connection(HOST, target)
        await asyncio.gather(_copy(reader, to_them), _copy(theirs, writer))

    server = await asyncio.start_server(lead, HOST, port, ssl=context)
    await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
