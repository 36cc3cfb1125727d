"""Load and check a TLS certificate and its key. The command checks them too, before it starts."""

import logging
import ssl
import time
from contextlib import suppress
from pathlib import Path

from storage.errors import SettingsError

log = logging.getLogger(__name__)

_HOST = "unused"  # the name is not checked: only a client knows which one it asks for
_NO_CHECK_TIME = 0x200000  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which `ssl` does not name


def load(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the context of a server with this certificate (and its chain) and this key, in PEM.

    TLS 1.2 or newer. Warns of a certificate that is not valid now: expired, or not valid yet.
    Raises SettingsError, which says what is wrong with which file, and never what is in it.
    """
    for what, path in (("certificate", certificate), ("key", key)):
        _require_readable(what, path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_refuse_passphrase)
    except ssl.SSLError as error:
        raise SettingsError(_explain(error, certificate, key)) from None
    _warn_of_dates(context, certificate)
    return context


def _warn_of_dates(context: ssl.SSLContext, certificate: Path) -> None:
    dates = _dates(context, certificate)
    now = time.time()
    if ssl.cert_time_to_seconds(dates["notAfter"]) < now:
        log.warning("the TLS certificate %s has expired: %s", certificate, dates["notAfter"])
    if ssl.cert_time_to_seconds(dates["notBefore"]) > now:
        log.warning("the TLS certificate %s is not valid yet: %s", certificate, dates["notBefore"])


def _require_readable(what: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise SettingsError(f"the TLS {what} {path} can't be read: {error.strerror}") from None


def _refuse_passphrase() -> str:
    """Raise instead of asking on the terminal: nobody may be there."""
    raise SettingsError("the TLS key has a passphrase: give the key without one")


def _explain(error: ssl.SSLError, certificate: Path, key: Path) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"the TLS key {key} does not belong to the certificate {certificate}"
    if error.reason:
        reason = error.reason.lower().replace("_", " ")
        return f"the TLS certificate {certificate} can't be used with the key {key}: {reason}"
    return f"the TLS certificate {certificate} or its key {key} is not a file in PEM form"


def _dates(context: ssl.SSLContext, certificate: Path) -> dict[str, str]:
    """Return `notBefore` and `notAfter`, by a handshake in memory: `ssl` reads no file for them."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    flags = trusting.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN
    trusting.verify_flags = ssl.VerifyFlags(flags | _NO_CHECK_TIME)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    try:
        trusting.load_verify_locations(certificate)
        client = trusting.wrap_bio(to_client, to_server, server_hostname=_HOST)
        for side in (client, server, client, server):
            _shake(side)
    except ssl.SSLError as error:
        reason = f"no client can use the TLS certificate {certificate}: {error}"
        raise SettingsError(reason) from None
    peer = client.getpeercert() or {}
    return {name: str(peer[name]) for name in ("notBefore", "notAfter")}


def _shake(side: ssl.SSLObject) -> None:
    with suppress(ssl.SSLWantReadError):  # the other side's turn
        side.do_handshake()
