"""Groups with more values than are carried one by one: some are named, all counts are exact."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from storage.model.event import Event
from storage.model.filters import Filters
from storage.settings import StorageSettings
from storage.statistics import name_walk
from storage.statistics.marks import MAX_NAMED, mark_of
from storage.statistics.question import Group, Question
from storage.statistics.reader import Counted, Scale, Statistics
from storage.statistics.table_counts import TableSlices
from testbed.servers import TestServers
from tests.integration.storage.statistics.test_statistics import statistics, whole
from tests.support.reading import store
from tests.support.statistics import event_at, value_of

START = datetime(2026, 10, 20, 5, tzinfo=UTC)
END = START + timedelta(days=4)
QUESTION = Filters(message=("paid",), start=START, end=END)


def _made() -> list[Event]:
    chance = random.Random(5)

    def value() -> str:
        return f"v{int(chance.paretovariate(0.7)) if chance.random() < 0.7 else chance.random()}"

    return [
        event_at(
            START + timedelta(milliseconds=chance.randrange(4 * 86_400_000)),
            email=None if chance.random() < 0.1 else f"{value()[:200]}@x.org",
            message=chance.choice(("was paid", "failed")),
            data={"k": value()[:200]},
        )
        for _ in range(9_000)
    ]


EVENTS = _made()


@pytest.fixture(scope="module")
def stored(servers: TestServers) -> Iterator[StorageSettings]:
    with servers.fresh() as settings:
        store(settings, EVENTS)
        yield settings


def plain(group: Group) -> Counter[str | None]:
    return Counter(value_of(one, group) for one in EVENTS if "paid" in one.message)


def groups(answers: list[Counted]) -> tuple[Counter[str | None], int]:
    """Return the counts of all named values, of None for missing, and of the others."""
    found: Counter[str | None] = Counter()
    other = 0
    for one in answers:
        for bar in range(len(one.starts)):
            groups = one.tally.groups(bar)
            named = dict(groups.values)
            assert sum(named.values()) + groups.other + groups.missing == one.tally.count(bar)
            found.update(named)
            found[None] += groups.missing
            other += groups.other
    return +found, other


@pytest.mark.parametrize("group", ["email", ("k",)])
@pytest.mark.parametrize("interval", ["hour", "day"])
def test_the_most_frequent_of_many_values_are_named_and_all_counts_are_exact(
    stored: StorageSettings, group: Group, interval: Any
) -> None:
    expected = plain(group)
    assert len(expected) > 1_000
    with statistics(stored, []) as found:
        answers = whole(found, Question(QUESTION, group), interval)
    counts, other = groups(answers)

    missing = expected.pop(None, 0)
    best = sorted(expected, key=lambda value: (-expected[value], value or ""))[:MAX_NAMED]
    assert {value: count for value, count in counts.items() if value is not None} == {
        value: expected[value] for value in best
    }
    assert counts[None] == missing
    assert other == sum(expected.values()) - sum(expected[value] for value in best)


@pytest.mark.parametrize("candidates", [20, 1_000])
def test_answers_that_continue_each_other_add_up_exactly(
    stored: StorageSettings, candidates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_walk, "CANDIDATES", candidates)
    with statistics(stored, [], 0.001) as found:
        answers = whole(found, Question(QUESTION, "email"), "day")
    counts, other = groups(answers)
    expected = plain("email")

    assert len(answers) > 1
    assert len({mark_of(value) for value in counts if value is not None}) <= MAX_NAMED
    assert all(expected[value] == count for value, count in counts.items())
    assert sum(counts.values()) + other == sum(expected.values())


def test_what_is_kept_of_days_serves_the_same_question_again(
    stored: StorageSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[datetime, datetime]] = []
    original = TableSlices.read

    def noting(self: TableSlices, connection: Any, start: datetime, end: datetime) -> Any:
        read.append((start, end))
        return original(self, connection, start, end)

    monkeypatch.setattr(TableSlices, "read", noting)
    today = END.replace(hour=0)
    with statistics(stored, []) as found:
        whole_days = Question(Filters(message=("paid",), end=today), "email")

        def ask() -> tuple[Counter[str | None], int]:
            read.clear()
            return groups(_known(found, whole_days, END))

        first = ask()
        assert read
        assert ask() == first
        assert read == []


def _known(found: Statistics, question: Question, watermark: datetime) -> list[Counted]:
    ms = int(watermark.timestamp() * 1000)
    return [found.count(question, Scale("day", ZoneInfo("UTC")), None, ms, lambda: False)]
