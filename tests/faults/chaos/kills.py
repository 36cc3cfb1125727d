"""Kill and pause processes with SIGKILL and SIGSTOP. Process ids are looked up at that moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from signal import SIGCONT, SIGKILL, SIGSTOP

import redis

from tests.faults.chaos.stack import Stack, signal_process

BUSY_SECONDS = 3


@contextmanager
def kill_api(stack: Stack, rng: Random) -> Iterator[str]:
    """Kill an API process behind the main address, or the distant one."""
    yield _kill(rng.choice(stack.pids("api")))


@contextmanager
def kill_worker(stack: Stack, rng: Random) -> Iterator[str]:
    """Kill a worker in the middle of a drain."""
    yield _kill(rng.choice(_busy_workers(stack)))


@contextmanager
def kill_supervisor(stack: Stack, rng: Random) -> Iterator[str]:
    """Kill the supervisor; all of `up` ends with it, and is started again at once."""
    pid = stack.up.pid
    stack.up.kill()
    stack.up.start()
    yield f"process {pid}"


@contextmanager
def kill_queue(stack: Stack, rng: Random) -> Iterator[str]:
    """Kill the queue; its supervisor starts it again, and it reads its AOF."""
    yield _kill(*stack.pids("queue"))


@contextmanager
def kill_control(stack: Stack, rng: Random) -> Iterator[str]:
    """Kill control; it comes back empty."""
    yield _kill(*stack.pids("control"))


@contextmanager
def kill_postgres(stack: Stack, rng: Random) -> Iterator[str]:
    """Kill the postmaster; sessions end, and PostgreSQL recovers from its WAL."""
    yield _kill(*stack.pids("postgres"))


@contextmanager
def pause_worker(stack: Stack, rng: Random) -> Iterator[str]:
    """Pause a worker in the middle of a drain until its shard has another drain."""
    with _paused(rng.choice(_busy_workers(stack))) as note:
        yield note


@contextmanager
def pause_queue(stack: Stack, rng: Random) -> Iterator[str]:
    """Pause the queue; then it answers everything at once."""
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
    """Return the workers that run a drain, as RQ says; all, if none does within the time."""
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
