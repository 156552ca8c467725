"""TLS towards the services behind us: contexts made of settings, and what went wrong, in words.

A sentence names the setting, and holds no key and no password.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

from engine.errors import BadSettings
from engine.settings import Tls

HANDSHAKE_S = 2.0

#: OpenSSL's codes of what a certificate fails (X509_V_ERR_…)
_NOT_YET_VALID, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64


def context(tls: Tls, section: str) -> ssl.SSLContext:
    """A client's context; the service's certificate and name are always verified.

    `section` is that of the settings (``kafka``). Raises `BadSettings`, a line for each fault.
    """
    if faults := list(_faults(tls, section)):
        raise BadSettings("\n".join(faults))
    made = _trusting(tls, section)
    if tls.client_cert_file:
        _load_pair(made, tls, section)
    return made


def _faults(tls: Tls, section: str) -> Iterator[str]:
    if tls.client_key_file and not tls.client_cert_file:
        yield f"{section}.client_key_file is set, but {section}.client_cert_file is not: they belong together"
    if tls.client_key_password.get_secret_value() and not tls.client_cert_file:
        yield f"{section}.client_key_password is set, but no key is: name its file in {section}.client_key_file"
    for name in ("ca_file", "client_cert_file", "client_key_file"):
        if (path := getattr(tls, name)) and (why := _unreadable(path)):
            yield f"{section}.{name}: {path}: {why}"


def _unreadable(path: str) -> str:
    try:
        Path(path).read_bytes()
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or "is no path"
    return ""


def _trusting(tls: Tls, section: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=tls.ca_file or None)
    except ssl.SSLError:
        raise BadSettings(f"{section}.ca_file: {tls.ca_file} holds no certificate in PEM") from None


def _load_pair(made: ssl.SSLContext, tls: Tls, section: str) -> None:
    """The password is always given, lest OpenSSL asks for one on the terminal."""
    cert, key = tls.client_cert_file, tls.client_key_file or tls.client_cert_file
    password = tls.client_key_password.get_secret_value()
    try:
        made.load_cert_chain(cert, key, lambda: password)
    except (ssl.SSLError, ValueError) as error:
        raise BadSettings(_of_pair(error, tls, section, key)) from None


def _of_pair(error: Exception, tls: Tls, section: str, key: str) -> str:
    reason = getattr(error, "reason", None) or ""
    if reason == "KEY_VALUES_MISMATCH":
        return f"{section}.client_key_file: {key} is not the key of the certificate in {section}.client_cert_file"
    if b"-----BEGIN CERTIFICATE" not in Path(tls.client_cert_file).read_bytes():
        return f"{section}.client_cert_file: {tls.client_cert_file} holds no certificate in PEM"
    kept = Path(key).read_bytes()
    if b"PRIVATE KEY-----" not in kept:
        name = "client_key_file" if tls.client_key_file else "client_cert_file"
        return f"{section}.{name}: {key} holds no private key in PEM: name its file in {section}.client_key_file"
    if b"ENCRYPTED" in kept:
        return f"{section}.client_key_password does not open the key in {key}"
    return f"{section}.client_cert_file and {section}.client_key_file cannot be used: {reason or 'not PEM'}"


def explained(error: BaseException, section: str, host: str) -> str:
    """What a failed handshake with `host` means and what to do; empty for an error that is not TLS's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _of_certificate(error, section, host)
    if not isinstance(error, ssl.SSLError):
        return ""
    reason = error.reason or ""
    if "CERTIFICATE_REQUIRED" in reason or "BAD_CERTIFICATE" in reason:
        return f"it asks for a client's certificate: set {section}.client_cert_file and {section}.client_key_file"
    if "UNKNOWN_CA" in reason or "CERTIFICATE_UNKNOWN" in reason:
        return f"it does not trust the certificate in {section}.client_cert_file"
    return f"the TLS handshake failed ({reason or error})"


def _of_certificate(error: ssl.SSLCertVerificationError, section: str, host: str) -> str:
    if error.verify_code in (_OTHER_NAME, _OTHER_ADDRESS):
        return f"its certificate is not for {host}: connect by a name that stands in it, or have this name added"
    if error.verify_code == _EXPIRED:
        return "its certificate has expired: renew it"
    if error.verify_code == _NOT_YET_VALID:
        return "its certificate is not valid yet: look at both clocks"
    return f"its certificate is not trusted ({error.verify_message}): {section}.ca_file has to hold its CA's"


async def speaks_tls(host: str, port: int) -> bool:
    """Whether a server there answers a handshake; its certificate does not matter, nothing is sent."""
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            _, writer = await asyncio.open_connection(host, port, ssl=anyone)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
