"""Waiting for commits ends in time, whoever is slow."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from api.ingest.ack import AckWaiter, ack_level
from api.ingest.service import Accepted
from api.ingest.stamping import StampedBatch
from storage.errors import DatabaseMismatch
from storage.model.event import new_ids, new_stamp
from storage.model.receipt import Receipt, StoredState
from storage.queue.producer import QueuePosition

IDS = new_ids(new_stamp(), 3)
ACCEPTED = Accepted(StampedBatch(0, IDS, [], []), QueuePosition(0, 3))


class Commits:
    """The events leave the queue at once, never, or nobody can say."""

    def __init__(self, left: bool | Exception) -> None:
        self._left = left

    async def wait(self, position: QueuePosition) -> None:
        if isinstance(self._left, Exception):
            raise self._left
        if not self._left:
            await asyncio.Event().wait()


async def hangs(ids: Sequence[UUID]) -> dict[UUID, StoredState]:
    await asyncio.Event().wait()
    raise AssertionError("never")


async def fails(ids: Sequence[UUID]) -> dict[UUID, StoredState]:
    raise DatabaseMismatch("not migrated")


async def has_a_bug(ids: Sequence[UUID]) -> dict[UUID, StoredState]:
    raise TypeError("a bug of ours")


async def knows(ids: Sequence[UUID]) -> dict[UUID, StoredState]:
    return {ids[0]: "stored", ids[1]: "dead"}


def receipts(left: bool | Exception, stored_states: object) -> list[Receipt]:
    async def run() -> list[Receipt]:
        waiting = AckWaiter(Commits(left), stored_states, 0.01)  # type: ignore[arg-type]
        async with asyncio.timeout(20):
            return await waiting.receipts(ACCEPTED)

    return asyncio.run(run())


@pytest.mark.parametrize(("left", "stored_states"), [(False, knows), (True, hangs), (True, fails)])
def test_what_is_not_known_in_time_is_queued(left: bool, stored_states: object) -> None:
    assert receipts(left, stored_states) == ["queued"] * 3


@pytest.mark.parametrize(
    ("left", "stored_states"), [(TypeError("a bug of ours"), knows), (True, has_a_bug)]
)
def test_a_bug_in_the_wait_fails_no_accepted_request(
    left: bool | Exception, stored_states: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert receipts(left, stored_states) == ["queued"] * 3
    assert "a bug of ours" in caplog.text


def test_each_event_has_the_receipt_that_postgresql_gives_it() -> None:
    found = receipts(True, knows)
    assert found == ["stored", "dead", "queued"]
    assert ack_level(found) == ack_level(found[:2]) == "queued"
    assert ack_level(found[:1]) == "stored"
