"""Acts on a selection of dead letters that end early: each id is told what became of it."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from api.admin import dead_letters
from api.admin.dead_letters import DeadLetterAdmin
from api.admin.threads import AdminThreads
from storage.errors import ControlUnavailable, DatabaseUnavailable

IDS = [UUID(int=n) for n in range(1, 5)]


class Letters:
    """Stands for `DeadLetters`: discards until it has no more answers."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)
        self.ended = 0

    def end_abandoned_replay(self) -> None:
        self.ended += 1
        raise ControlUnavailable("away")  # discarding needs no control

    def discard(self, event_id: UUID) -> bool:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def discarded(letters: Letters, threads: AdminThreads | None = None) -> list[dict[str, Any]]:
    admin = DeadLetterAdmin(threads or AdminThreads(), lambda _: letters)  # type: ignore[arg-type, return-value]
    return asyncio.run(admin.discard(IDS, "key 0aZ9bY8x@http"))


def test_each_id_has_its_result_in_the_order_asked() -> None:
    letters = Letters(True, False, True, True)
    found = discarded(letters)
    assert [one["id"] for one in found] == list(map(str, IDS))
    results = [one["result"] for one in found]
    assert results == ["discarded", "not_found", "discarded", "discarded"]
    assert letters.ended == 1


@pytest.mark.parametrize("error", [DatabaseUnavailable("away"), RuntimeError("unexpected")])
def test_after_an_error_the_rest_is_not_tried_and_what_it_met_is_unknown(error: Exception) -> None:
    found = discarded(Letters(True, error))
    assert [one["result"] for one in found] == ["discarded", "unknown", "not_tried", "not_tried"]
    assert all("again" in one["reason"] for one in found[1:])


def test_an_error_before_anything_was_done_is_the_answer() -> None:
    with pytest.raises(DatabaseUnavailable):
        discarded(Letters(DatabaseUnavailable("away")))


def test_what_there_is_no_time_for_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "ACT_SECONDS", -1.0)
    found = discarded(Letters())
    assert {one["result"] for one in found} == {"not_tried"}


def test_a_process_that_stops_ends_after_the_one_under_way() -> None:
    threads = AdminThreads()

    class Stopping(Letters):
        def discard(self, event_id: UUID) -> bool:
            threads.stopping.set()
            return super().discard(event_id)

    found = discarded(Stopping(True), threads)
    assert [one["result"] for one in found] == ["discarded", *["not_tried"] * 3]
