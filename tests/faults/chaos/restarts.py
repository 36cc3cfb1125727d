"""Restart the API processes of `up` one by one: the only fault that no client may notice."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from signal import SIGTERM, SIGUSR1

from tests.faults.chaos.stack import Stack, signal_process

REPLACED_SECONDS = 60
ANSWERS = 50  # answers before and after


@contextmanager
def restart_rolling(stack: Stack, rng: Random) -> Iterator[str]:
    """Restart as an operator does, with SIGUSR1 to the supervisor."""
    with _replaced(stack, _main_apis(stack)):
        signal_process(stack.up.pid, SIGUSR1)
        yield f"process {stack.up.pid}"


@contextmanager
def stop_one(stack: Stack, rng: Random) -> Iterator[str]:
    """Stop one of several API processes behind the main address; its supervisor starts another."""
    pid = rng.choice(_main_apis(stack))
    with _replaced(stack, [pid]):
        signal_process(pid, SIGTERM)
        yield f"process {pid}"


@contextmanager
def _replaced(stack: Stack, pids: list[int]) -> Iterator[None]:
    count = len(_main_apis(stack))
    with stack.served.watched(stack.ports[0]) as seen:
        stack.wait(lambda: seen.answered > ANSWERS, "the first answers", REPLACED_SECONDS)
        yield
        stack.wait(
            lambda: len(_main_apis(stack)) == count and not set(pids) & set(_main_apis(stack)),
            "new API processes",
            REPLACED_SECONDS,
        )
        enough = seen.answered + ANSWERS
        stack.wait(lambda: seen.answered > enough, "more answers", REPLACED_SECONDS)


def _main_apis(stack: Stack) -> list[int]:
    """Return the API processes behind the main address."""
    distant = {pid for _, pid in stack.distant.pids()}
    return [pid for pid in stack.pids("api") if pid not in distant]
