"""Wait until the service answers its own probes."""

import http.client
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from cli.connection_hints import tls_hint
from cli.errors import NotReady
from cli.service_request import get

if TYPE_CHECKING:
    from ssl import SSLContext

PROBES = ("/health/ready", "/health/ready?for=query")
READY_SECONDS = 60.0
ANSWER_SECONDS = 5.0
_POLL_SECONDS = 0.05
_MAX_BODY_BYTES = 2000
_PLAIN = "leave out --tls-ca and --tls-cert (ACTIVITY_TLS_CERT)"
_HTTPS = "give --tls-ca, or set ACTIVITY_TLS_CERT as for the API"


def wait_until_ready(
    host: str,
    port: int,
    pause: Callable[[float], None],
    logs: Callable[[], str],
    seconds: float = READY_SECONDS,
    tls: "SSLContext | None" = None,
) -> None:
    """Return once every probe has answered 200.

    Calls `pause` with the seconds to wait between two tries; it may raise. Raises `NotReady` after
    `seconds`, with the last answer and what `logs` returns.
    """
    deadline = time.monotonic() + seconds
    for path in PROBES:
        while (problem := probe(host, port, path, tls=tls)) is not None:
            if time.monotonic() >= deadline:
                raise NotReady(
                    f"GET {path} did not answer 200 within {seconds:g} s; last answer: {problem}\n"
                    f"{logs()}"
                )
            pause(_POLL_SECONDS)


def probe(
    host: str,
    port: int,
    path: str,
    seconds: float = ANSWER_SECONDS,
    tls: "SSLContext | None" = None,
) -> str | None:
    """Return None if GET `path` answers 200, else the answer or the error.

    `host` is an address that a service listens on, `seconds` the time limit of each step. `tls`:
    what is trusted, for HTTPS.
    """
    try:
        response = get(host, port, path, seconds, _MAX_BODY_BYTES, tls=tls)
    except (OSError, http.client.HTTPException) as error:
        said = f"{type(error).__name__}: {error}"
        hint = tls_hint(tls is not None, said, _PLAIN, _HTTPS)
        return f"{said} ({hint})" if hint else said
    if response.status == 200:
        return None
    return f"{response.status} {response.body.decode(errors='replace')}"
