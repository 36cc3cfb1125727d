"""What a command trusts when it asks an API over HTTPS. Standard library only."""

import ssl
from pathlib import Path

from api.http.addresses import is_loopback
from cli.errors import UsageError

_ANY = ("", "0.0.0.0", "::")  # noqa: S104 - addresses to ask, not to bind


def trust(ca: str | Path | None, host: str) -> ssl.SSLContext:
    """Return the context for a request to `host`. Raises `UsageError` for a bad file.

    With the file `ca` the certificate is verified; for a host that is not this machine, its name
    too. Without `ca` nothing is verified: what is asked is no secret, and the API on this machine
    has a certificate for the name that others know it by.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = ca is not None and not is_loopback(host) and host not in _ANY
    if ca is None:
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        context.load_verify_locations(ca)
    except OSError as error:  # also ssl.SSLError
        raise UsageError(f"--tls-ca (ACTIVITY_TLS_CA): {ca} can't be read: {error}") from None
    return context
