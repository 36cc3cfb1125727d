"""Open sessions of PostgreSQL: at the one host of the address, or at the first writable of several.

libpq goes through a list of hosts by itself, but it limits the wait for each of them only where it
may block: never in a process with `storage.postgres.engine.bound_waiting`. There a host that hangs
would keep the service from the next one.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg2
import sqlalchemy as sa

CONNECT_SECONDS = 3
"""How long an attempt to connect to one of several hosts may wait for an answer."""

_waiting = threading.local()


def patience(seconds: float) -> float:
    """Return how long this thread may wait for an answer: `seconds`, or less in such an attempt."""
    return min(seconds, getattr(_waiting, "seconds", seconds))


@contextmanager
def _impatient() -> Iterator[None]:
    _waiting.seconds = CONNECT_SECONDS
    try:
        yield
    finally:
        del _waiting.seconds


class Connector:
    """Opens the sessions of one engine, from any thread.

    The host of the last session comes first: others may be standbys, or may not answer. libpq
    leaves a standby again, because the address of several hosts names `target_session_attrs`
    (`storage.host_list`).
    """

    def __init__(self, address: sa.URL, options: Mapping[str, Any]) -> None:
        self._positional, named = address.get_dialect()().create_connect_args(address)
        given = {**named, **options}
        self._hosts = [{**given, **host} for host in _hosts(given)]
        self._first = 0

    def connect(self) -> Any:
        """Open a session. Raises psycopg2.OperationalError with the reason of each host."""
        if len(self._hosts) == 1:
            return psycopg2.connect(*self._positional, **self._hosts[0])
        reasons = []
        order = [*range(self._first, len(self._hosts)), *range(self._first)]
        for place in order:
            try:
                with _impatient():
                    session = psycopg2.connect(**self._hosts[place])
            except psycopg2.OperationalError as error:
                reasons.append(_reason(self._hosts[place], error))
            else:
                self._first = place
                return session
        raise psycopg2.OperationalError("; ".join(reasons))


def _reason(host: Mapping[str, Any], error: psycopg2.OperationalError) -> str:
    """Name the host once: libpq does where it may block, and nobody does otherwise."""
    name = f"{host['host']}:{host['port']}".removesuffix(":")
    said = str(error).partition("\n")[0]
    return f"{name}: {said.partition(' failed: ')[2] or said}"


def _hosts(options: Mapping[str, Any]) -> list[dict[str, str]]:
    hosts = str(options.get("host") or "").split(",")
    if len(hosts) == 1:
        return [{}]
    ports = str(options["port"]).split(",")
    return [{"host": host, "port": port} for host, port in zip(hosts, ports, strict=True)]
