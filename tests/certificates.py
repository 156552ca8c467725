"""Certificates of a test's own, as PEM files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

HOST = "127.0.0.1"


def write_certificates(folder: Path) -> None:
    """``ca``, ``server`` (key and certificate of 127.0.0.1 and localhost), ``elsewhere`` (of another name),
    ``expired``, ``client`` and ``client.key``; ``other-ca``, ``stranger`` and ``stranger.key`` of another CA."""
    ca, other = trustme.CA(), trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    other.cert_pem.write_to_path(folder / "other-ca.pem")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    for name, certificate in (
        ("server", ca.issue_cert("localhost", HOST)),
        ("elsewhere", ca.issue_cert("service.example")),
        ("expired", ca.issue_cert(HOST, not_before=yesterday - timedelta(days=9), not_after=yesterday)),
        ("client", ca.issue_cert("client")),
        ("stranger", other.issue_cert("client")),
    ):
        chain, key = certificate.cert_chain_pems[0].bytes(), pkcs8(certificate)
        both = name in ("server", "elsewhere", "expired")
        (folder / f"{name}.pem").write_bytes(key + chain if both else chain)
        (folder / f"{name}.key.pem").write_bytes(key)


def pkcs8(certificate: trustme.LeafCert) -> bytes:
    """The only form of a key in PEM that Kafka reads."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
