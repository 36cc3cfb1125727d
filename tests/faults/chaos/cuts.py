"""Break the network between the distant processes and the servers, by proxies."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

from tests.faults.chaos.network import CONTROL, POSTGRES, QUEUE
from tests.faults.chaos.proxy import Proxy
from tests.faults.chaos.stack import Stack

SERVERS = [[QUEUE], [CONTROL], [POSTGRES], [QUEUE, CONTROL, POSTGRES]]
SHORTEST_DELAY, MAX_DELAY = 0.02, 0.3


@contextmanager
def cut(stack: Stack, rng: Random) -> Iterator[str]:
    """End every connection; new connections are accepted."""
    servers = _servers(stack, rng)
    stack.network.change(servers, Proxy.cut)
    yield _names(servers)


@contextmanager
def refuse(stack: Stack, rng: Random) -> Iterator[str]:
    """End every connection, and listen to no new one for a while."""

    def away(proxy: Proxy) -> None:
        proxy.refusing = True
        proxy.cut()

    with _changed(stack, servers := _servers(stack, rng), away, _listen):
        yield _names(servers)


@contextmanager
def delay(stack: Stack, rng: Random) -> Iterator[str]:
    """Delay each piece, in both directions."""
    seconds = rng.uniform(SHORTEST_DELAY, MAX_DELAY)
    with _changed(stack, servers := _servers(stack, rng), _slow(seconds), _slow(0)):
        yield f"{_names(servers)}, {seconds * 1000:.0f} ms"


@contextmanager
def answer_late(stack: Stack, rng: Random) -> Iterator[str]:
    """Deliver requests, and hold back the answers until the end."""
    with _changed(stack, servers := _servers(stack, rng), Proxy.hold_answers, Proxy.let_go):
        yield _names(servers)


@contextmanager
def never_answer(stack: Stack, rng: Random) -> Iterator[str]:
    """Deliver requests, then end the connections without an answer."""
    with _changed(stack, servers := _servers(stack, rng), Proxy.hold_answers, _end):
        yield _names(servers)


@contextmanager
def ask_late(stack: Stack, rng: Random) -> Iterator[str]:
    """Hold back requests until the end, when the clients may have given up."""
    with _changed(stack, servers := _servers(stack, rng), Proxy.hold_requests, Proxy.let_go):
        yield _names(servers)


@contextmanager
def never_ask(stack: Stack, rng: Random) -> Iterator[str]:
    """Never deliver requests: a batch may be committed, and stay on the queue."""
    with _changed(stack, servers := _servers(stack, rng), Proxy.hold_requests, _end):
        yield _names(servers)


def _servers(stack: Stack, rng: Random) -> list[str]:
    """Choose some of the servers that are behind proxies."""
    known = stack.network.roles
    return rng.choice([kept for each in SERVERS if (kept := [r for r in each if r in known])])


Change = Callable[[Proxy], object]


@contextmanager
def _changed(stack: Stack, servers: list[str], change: Change, undo: Change) -> Iterator[None]:
    stack.network.change(servers, change)
    try:
        yield
    finally:
        stack.network.change(servers, undo)


def _slow(seconds: float) -> Change:
    def change(proxy: Proxy) -> None:
        proxy.delay_seconds = seconds

    return change


def _listen(proxy: Proxy) -> None:
    proxy.refusing = False


def _end(proxy: Proxy) -> None:
    proxy.cut()
    proxy.let_go()


def _names(servers: list[str]) -> str:
    return ", ".join(servers)
