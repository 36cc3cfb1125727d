"""Waits until the service answers its own probes."""

import http.client
import time
from collections.abc import Callable

from cli.errors import NotReady

PROBES = ("/health/ready", "/health/ready?for=query")
READY_SECONDS = 60.0
ANSWER_SECONDS = 5.0
_POLL_SECONDS = 0.05
_SHOWN_CHARACTERS = 2000
# "localhost" is tried as ::1 and as 127.0.0.1: a machine may have no IPv6.
_ANY = {"0.0.0.0": "127.0.0.1", "::": "localhost", "": "localhost"}  # noqa: S104 - read, not bound


def wait_until_ready(
    host: str,
    port: int,
    between: Callable[[float], None],
    logs: Callable[[], str],
    seconds: float = READY_SECONDS,
) -> None:
    """Return once every probe has answered 200.

    `between` is called with the seconds to pause between two tries, and may raise. Raises
    `NotReady` after `seconds` with the last answer and what `logs` gives.
    """
    deadline = time.monotonic() + seconds
    for path in PROBES:
        while (answer := probe(host, port, path)) is not None:
            if time.monotonic() >= deadline:
                raise NotReady(
                    f"GET {path} did not answer 200 within {seconds:g} s; last: {answer}\n{logs()}"
                )
            between(_POLL_SECONDS)


def probe(host: str, port: int, path: str, seconds: float = ANSWER_SECONDS) -> str | None:
    """None when ready, else what came instead. Proxies of the environment are not asked.

    `host` is an address that a service listens on: one that means all of them means this machine.
    """
    connection = http.client.HTTPConnection(_ANY.get(host, host), port, timeout=seconds)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read(_SHOWN_CHARACTERS).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    return None if response.status == 200 else f"{response.status} {body}"
