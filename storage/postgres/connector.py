"""Open sessions of PostgreSQL: at the one host of the address, or at the first writable of several.

libpq goes through a list of hosts by itself, but it limits the wait for each of them only where it
may block: never in a process with `storage.postgres.engine.bound_waiting`. There a host that hangs
would keep the service from the next one.
"""

import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2
import sqlalchemy as sa

CONNECT_SECONDS = 3
"""How long an attempt to connect to one of several hosts may wait for an answer."""

_LOOK_SECONDS = 0.25
_waiting = threading.local()


def patience(seconds: float) -> float:
    """Return how long this thread may wait for an answer: `seconds`, or less in such an attempt."""
    return min(seconds, getattr(_waiting, "seconds", seconds))


@contextmanager
def impatient(seconds: float, is_hopeless: Callable[[], bool] | None = None) -> Iterator[None]:
    """Let this thread wait for each answer for `seconds` only, in the block.

    `is_hopeless`: asked now and then while it waits; it ends the wait. All of it has an effect only
    in a process with `bound_waiting`.
    """
    before = dict(_waiting.__dict__)
    _waiting.__dict__.update(seconds=seconds, is_hopeless=is_hopeless)
    try:
        yield
    finally:
        _waiting.__dict__.clear()
        _waiting.__dict__.update(before)


def is_answered(reads: Sequence[Any], writes: Sequence[Any], seconds: float) -> bool:
    """Wait until one of these connections can be read or written; False if that is in vain."""
    is_hopeless = getattr(_waiting, "is_hopeless", None)
    if is_hopeless is None:
        return any(select.select(reads, writes, [], seconds))
    end = time.monotonic() + seconds
    while not any(select.select(reads, writes, [], min(seconds, _LOOK_SECONDS))):
        seconds = end - time.monotonic()
        if seconds <= 0 or is_hopeless():
            return False
    return True


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
                with impatient(CONNECT_SECONDS):
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
