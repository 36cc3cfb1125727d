"""Test that the chaos's witness detects each kind of false statement of `/status`."""

from typing import Any

import pytest

from tests.faults.chaos.letters import misplaced_letters
from tests.faults.chaos.record import FIRST_GUILTY, Record
from tests.faults.chaos.truth import OF_THE_QUEUE, Counters, Observation, false_statements

UNKNOWN: dict[str, Any] = {
    **dict.fromkeys((*OF_THE_QUEUE, "conservation")),
    "attention": ["the queue can't be asked: no answer within 3 s"],
}
KNOWN: dict[str, Any] = {
    **dict.fromkeys(OF_THE_QUEUE, 0),
    "backlog": 5,
    "conservation": {"balanced": True},
    "attention": [],
}
BEFORE = [Counters(10, 5, 5), Counters(3, 3, 0)]
AFTER = [Counters(12, 9, 3), Counters(4, 3, 1)]


def false_statements_of(answer: dict[str, Any], **more: Any) -> list[str]:
    return false_statements(Observation(answer, BEFORE, AFTER, **more))


def test_a_true_or_unknown_figure_is_not_a_false_statement() -> None:
    assert false_statements_of(KNOWN) == []
    assert false_statements_of(UNKNOWN, frozen=True, stalled=[0]) == []
    assert false_statements(Observation(KNOWN, None, AFTER)) == []


@pytest.mark.parametrize("name", OF_THE_QUEUE)
def test_a_number_of_a_frozen_queue_is_false(name: str) -> None:
    assert false_statements_of({**UNKNOWN, name: 0}, frozen=True)


@pytest.mark.parametrize(("backlog", "so"), [(0, False), (1, True), (8, True), (9, False)])
def test_a_backlog_beyond_what_can_have_moved_is_false(backlog: int, so: bool) -> None:
    assert (false_statements_of({**KNOWN, "backlog": backlog}) == []) is so


def test_foreign_entries_may_be_in_the_backlog() -> None:
    assert false_statements_of({**KNOWN, "backlog": 10}, foreign=2) == []


def test_events_unaccounted_for_are_false_and_unknown_accounts_are_not() -> None:
    assert false_statements_of({**KNOWN, "conservation": {"balanced": False}})
    assert false_statements_of({**KNOWN, "conservation": {"balanced": None}}) == []


def test_the_backlog_of_several_servers_may_be_that_of_a_former_primary() -> None:
    accounts = {"balanced": True, "lost": 0, "queue_unaccounted": 0}
    answer = {**KNOWN, "backlog": 9, "conservation": accounts}
    assert false_statements_of(answer, replicas=1) == []


@pytest.mark.parametrize(
    ("found", "replicas", "so"),
    [
        ({"lost": 3}, 0, True),  # nobody waited for a replica
        ({"lost": 3}, 1, False),
        ({"lost": 0}, 1, True),  # workers had stored what was not acknowledged
        ({"queue_unaccounted": 1}, 0, False),
    ],
)
def test_events_that_a_failover_loses_may_be_told_only_if_no_replica_confirms(
    found: dict[str, int], replicas: int, so: bool
) -> None:
    conservation = {"balanced": False, "lost": 0, "queue_unaccounted": 0, **found}
    answer = {**KNOWN, "conservation": conservation}
    assert (false_statements_of(answer, replicas=replicas) == []) is so


def test_a_missing_report_of_a_shard_without_progress_is_false() -> None:
    assert false_statements_of(KNOWN, stalled=[1])
    assert false_statements_of({**KNOWN, "attention": ["shard 0 waits: a bug"]}, stalled=[1])
    assert false_statements_of({**KNOWN, "attention": ["shard 1 waits: a bug"]}, stalled=[1]) == []


def test_a_queue_counts_as_frozen_only_for_requests_within_the_freeze() -> None:
    record = Record(frozen=[(5, 9)])
    assert record.was_frozen(6, 8)
    assert not record.was_frozen(4, 8)
    assert not record.was_frozen(6, 10)


def test_dead_letters_must_be_the_guilty_and_the_garbage() -> None:
    record = Record([("g", FIRST_GUILTY)], 1, garbage=[b"x", b"x"])
    guilty = [("g", FIRST_GUILTY)]
    assert misplaced_letters(record, guilty, [b"x", b"x"]) == []
    assert misplaced_letters(record, [], [b"x", b"x"]) == [
        f"guilty g (n {FIRST_GUILTY}) is no dead letter"
    ]
    assert misplaced_letters(record, [*guilty, ("a", 7)], [b"x", b"x"])
    assert misplaced_letters(record, guilty, [b"x"])
    assert misplaced_letters(record, guilty, [b"x", b"x", b"y"])
