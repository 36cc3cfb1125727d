"""List the kinds of faults, and draw them in an order that depends on the seed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from random import Random

from tests.faults.chaos import (
    cuts,
    failovers,
    freeze,
    harm,
    kills,
    power,
    readers,
    refusals,
    restarts,
)
from tests.faults.chaos.outside import CLUSTER, SERVER
from tests.faults.chaos.stack import Stack

Fault = Callable[[Stack, Random], AbstractContextManager[str]]


@dataclass(frozen=True)
class Kind:
    """A kind of fault; entering `fault` injects it and returns details, leaving it undoes it."""

    name: str
    fault: Fault
    shortest: float = 0.0  # seconds between entering and leaving
    longest: float = 0.0


KINDS = [
    Kind("kill -9 an API process", kills.kill_api),
    Kind("rolling restart of API processes", restarts.restart_rolling),
    Kind("SIGTERM to an API process", restarts.stop_one),
    Kind("kill -9 a worker that drains", kills.kill_worker),
    Kind("kill -9 the supervisor", kills.kill_supervisor),
    Kind("kill -9 the queue", kills.kill_queue),
    Kind("kill -9 the queue and leave a zero tail in its AOF", power.zero_tail),
    Kind("kill -9 control", kills.kill_control),
    Kind("kill -9 PostgreSQL", kills.kill_postgres),
    Kind("pause a worker past its lease", kills.pause_worker, 4, 6),
    Kind("pause the queue", kills.pause_queue, 1, 3),
    Kind("cut connections", cuts.cut),
    Kind("refuse connections", cuts.refuse, 0.5, 3),
    Kind("delay connections", cuts.delay, 1, 3),
    Kind("answers arrive late", cuts.answer_late, 1, 7),
    Kind("answers never arrive", cuts.never_answer, 1, 7),
    Kind("requests arrive late", cuts.ask_late, 1, 7),
    Kind("requests never arrive", cuts.never_ask, 1, 7),
    Kind("fill the queue", harm.fill_queue, 1, 3),
    Kind("make PostgreSQL read-only", harm.read_only, 1, 3),
    Kind("make new database sessions read-only", harm.read_only_sessions, 3, 4),
    Kind("lose control's data", harm.lose_control),
    Kind("end all database sessions", harm.end_sessions),
    Kind("PostgreSQL refuses rows with an unknown SQLSTATE", refusals.refuse_rows, 0.5, 2),
    Kind("garbage entry on a shard", refusals.add_garbage),
    Kind("freeze the queue while /status is asked", freeze.freeze_queue, 4, 6),
    Kind("readers that don't read and requests that don't end", readers.do_not_read, 2, 4),
]

_OF_ONE_SERVER = (kills.kill_queue, power.zero_tail, kills.pause_queue, freeze.freeze_queue)
_FAILOVERS = [
    Kind("kill -9 a primary of the queue", failovers.kill_primary, 3, 5),
    Kind("pause a primary of the queue", failovers.pause_primary, 4, 4),
    Kind("cut a primary of the queue off", failovers.cut_off_primary, 4, 6),
    Kind("cut connections to a primary of the queue", failovers.cut_connections),
]
_OF_A_CLUSTER = [Kind("move the slot of a shard", failovers.move_slot, 0.5, 2)]


def kinds_of(queue: str) -> list[Kind]:
    """Return the kinds of faults that apply to this kind of queue."""
    if queue == SERVER:
        return KINDS
    others = [kind for kind in KINDS if kind.fault not in _OF_ONE_SERVER]
    return [*others, *_FAILOVERS, *(_OF_A_CLUSTER if queue == CLUSTER else [])]


def draw(rng: Random, kinds: list[Kind]) -> Iterator[Kind]:
    """Draw kinds without end, in rounds; each round has every kind once."""
    while True:
        yield from rng.sample(kinds, len(kinds))
