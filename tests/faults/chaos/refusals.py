"""Break what is stored: rows that PostgreSQL refuses, entries that can't be read as events."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import sqlalchemy as sa

from storage.redis import keys
from storage.server_errors import sqlstate
from tests.faults.chaos.client import get, post
from tests.faults.chaos.record import FIRST_GUILTY
from tests.faults.chaos.stack import Stack

GUILTY = "guilty"  # the message of refused events
EACH = 2  # guilty events to each address
DEAD_SECONDS = 30
STATES = ["P0001", "XX001", "0A000", "39000", "ABC12"]
_REFUSE = f"""
    CREATE OR REPLACE FUNCTION chaos_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.message = '{GUILTY}' THEN RAISE EXCEPTION 'chaos' USING ERRCODE = '{{state}}'; END IF;
    RETURN NEW; END $$;
    CREATE OR REPLACE TRIGGER chaos BEFORE INSERT ON events
    FOR EACH ROW EXECUTE FUNCTION chaos_refuse()
"""
_DEADLOCK = "40P01"
_ALLOW = "DROP TRIGGER IF EXISTS chaos ON events"

GARBAGE = [b"garbage", b"", b"\xff\x00\xfe", b"[]", b'{"id": 1}', b'{"id":"x","created_at":"y"']


@contextmanager
def refuse_rows(stack: Stack, rng: Random) -> Iterator[str]:
    """Refuse some events until they are dead letters; other events are stored."""
    state = rng.choice(STATES)
    _execute(stack, _REFUSE.format(state=state))
    try:
        ids = [_post_guilty(stack, port) for port in stack.ports for _ in range(EACH)]
        yield f"SQLSTATE {state}, {len(ids)} events"
        for event_id in ids:
            stack.wait(lambda one=event_id: _is_dead(stack, one), "a dead letter", DEAD_SECONDS)  # type: ignore[misc]
    finally:
        _execute(stack, _ALLOW)


@contextmanager
def add_garbage(stack: Stack, rng: Random) -> Iterator[str]:
    """Add an entry to a shard's stream, past the service."""
    tags = stack.shards()
    shard = rng.randrange(len(tags))
    with stack.queue() as queue:
        for raw in rng.sample(GARBAGE, 3):
            stack.record.garbage.append(raw)
            queue.xadd(keys.stream(tags[shard]), {"e": raw})
    yield f"shard {shard}"


def _post_guilty(stack: Stack, port: int) -> str:
    def posted() -> str:
        number = FIRST_GUILTY - stack.record.guilty_posted
        stack.record.guilty_posted += 1
        event = {"component": "guilty", "environment": "chaos", "message": GUILTY}
        answer = post(port, {**event, "data": {"n": number}})
        if answer.status != 202:
            return ""
        event_id: str = answer.json()["id"]
        stack.record.guilty.append((event_id, number))
        return event_id

    return stack.wait(posted, "a guilty event to be accepted", DEAD_SECONDS)


def _is_dead(stack: Stack, event_id: str) -> bool:
    answers = (get(port, f"/events/{event_id}") for port in stack.ports)
    return any(one.status == 200 and one.json()["receipt"] == "dead" for one in answers)


def _execute(stack: Stack, statement: str) -> None:
    """Execute a statement; retry when it is the victim of a deadlock with a drain."""

    def executed() -> bool:
        try:
            with stack.database() as connection:
                connection.execute(sa.text(statement))
        except sa.exc.OperationalError as error:
            if sqlstate(error) != _DEADLOCK:
                raise
            return False
        return True

    stack.wait(executed, statement, DEAD_SECONDS)
