"""Faults that signals make: kill -9 and SIGSTOP. Pids are looked up at the moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from signal import SIGCONT, SIGKILL, SIGSTOP

import redis

from tests.faults.chaos.stack import Stack, signal_process

BUSY_SECONDS = 3


@contextmanager
def kill_api(stack: Stack, rng: Random) -> Iterator[str]:
    """One of those behind the main address, or the distant one."""
    yield _kill(rng.choice(stack.pids("api")))


@contextmanager
def kill_worker(stack: Stack, rng: Random) -> Iterator[str]:
    """One that is in the middle of a drain."""
    yield _kill(rng.choice(_busy_workers(stack)))


@contextmanager
def kill_supervisor(stack: Stack, rng: Random) -> Iterator[str]:
    """The whole `up` dies with it, and is started again at once."""
    pid = stack.up.pid
    stack.up.kill()
    stack.up.start()
    yield f"process {pid}"


@contextmanager
def kill_queue(stack: Stack, rng: Random) -> Iterator[str]:
    """Its supervisor starts it again, and it reads its AOF."""
    yield _kill(*stack.pids("queue"))


@contextmanager
def kill_control(stack: Stack, rng: Random) -> Iterator[str]:
    """It comes back empty."""
    yield _kill(*stack.pids("control"))


@contextmanager
def kill_postgres(stack: Stack, rng: Random) -> Iterator[str]:
    """Its postmaster: sessions end by themselves, and it recovers from its WAL."""
    yield _kill(*stack.pids("postgres"))


@contextmanager
def pause_worker(stack: Stack, rng: Random) -> Iterator[str]:
    """Asleep in the middle of a drain; when it wakes up the shard is another's."""
    with _paused(rng.choice(_busy_workers(stack))) as note:
        yield note


@contextmanager
def pause_queue(stack: Stack, rng: Random) -> Iterator[str]:
    """It answers nothing, and then everything at once."""
    with _paused(*stack.pids("queue")) as note:
        yield note


def _kill(pid: int) -> str:
    signal_process(pid, SIGKILL)
    return f"process {pid}"


@contextmanager
def _paused(pid: int) -> Iterator[str]:
    signal_process(pid, SIGSTOP)
    try:
        yield f"process {pid}"
    finally:
        signal_process(pid, SIGCONT)


def _busy_workers(stack: Stack) -> list[int]:
    """Those that run a drain, as RQ tells; all, if none seems to within the time."""
    workers = set(stack.pids("worker"))
    with stack.server(stack.urls.control_url) as control:
        try:
            return stack.wait(
                lambda: sorted(_busy(control) & workers), "a drain to run", BUSY_SECONDS
            )
        except AssertionError:
            return sorted(workers)


def _busy(control: redis.Redis) -> set[int]:
    found = set()
    for key in control.smembers("rq:workers"):
        state, pid = control.hmget(key, "state", "pid")
        if state == b"busy" and pid:
            found.add(int(pid))
    return found
