"""Verdicts on what real servers of a test can't easily be: a standby, an old database, a month."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from cli.doctor import database_checks, schema_checks
from cli.doctor.check import Verdict
from storage.postgres import partitions
from storage.postgres.inspection import InvalidIndex, LongTransactions

NOW = datetime(2026, 3, 30, 12, tzinfo=UTC)


def database(settings: dict[str, str] | None = None, **facts: Any) -> Any:
    found = SimpleNamespace(
        setting=(settings or {}).__getitem__, command=lambda text: f"psql -c {text!r}", **facts
    )
    return SimpleNamespace(database=found, activity=lambda *words: " ".join(("activity", *words)))


def test_a_standby_is_a_fault() -> None:
    settings = {"server_version": "18.6", "in_hot_standby": "on"}
    found = database_checks._version(database(settings))
    assert (found.verdict, "is a standby" in found.text) == (Verdict.FAULT, True)
    settings["in_hot_standby"] = "off"
    assert database_checks._version(database(settings)).verdict == Verdict.OK


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (200_000_000, Verdict.OK),
        (299_999_999, Verdict.OK),
        (300_000_001, Verdict.WARNING),
        (1_200_000_000, Verdict.FAULT),
    ],
)
def test_rows_that_autovacuum_has_not_frozen_are_named(age: int, verdict: Verdict) -> None:
    settings = {
        "autovacuum": "on",
        "track_counts": "on",
        "autovacuum_freeze_max_age": "200000000",
    }
    found = database_checks._vacuum(database(settings, frozen_age=age, dead_rows=[]))
    assert found.verdict == verdict
    assert f"{age:,} transactions old" in found.text


@pytest.mark.parametrize(
    ("unit", "days", "made_ahead", "later", "verdict"),
    [
        ("day", 7, 7, timedelta(), Verdict.OK),
        ("day", 7, 7, timedelta(minutes=59), Verdict.OK),  # maintenance has an hour's time
        ("day", 7, 7, timedelta(hours=14), Verdict.WARNING),
        ("day", 7, 2, timedelta(), Verdict.WARNING),
        ("day", 7, 1, timedelta(), Verdict.FAULT),
        ("day", 1, 1, timedelta(), Verdict.OK),
        ("day", 1, 1, timedelta(hours=11, minutes=59), Verdict.OK),
        ("day", 1, 1, timedelta(days=1), Verdict.FAULT),
        ("month", 7, 7, timedelta(), Verdict.OK),
        ("month", 7, 0, timedelta(), Verdict.FAULT),
        ("hour", 7, 7, timedelta(), Verdict.OK),
        ("hour", 7, 7, timedelta(hours=2), Verdict.WARNING),
        ("hour", 7, 7, timedelta(hours=24), Verdict.FAULT),
        ("day", 7, -1, timedelta(), Verdict.FAULT),  # none at all
    ],
)
def test_partitions_that_end_too_soon_are_named(
    unit: str, days: int, made_ahead: int, later: timedelta, verdict: Verdict
) -> None:
    made = partitions.ahead(NOW, made_ahead, unit) if made_ahead >= 0 else []
    spans = sorted({partitions.span_of(instant, unit) for instant in made})
    subject = database(spans=spans, name_taken=lambda *_: None)
    subject.settings = SimpleNamespace(partition_by=unit)
    subject.worker = SimpleNamespace(partitions_ahead=days)
    subject.machine = SimpleNamespace(clock=(NOW + later).timestamp)
    found = schema_checks._partitions(subject)
    assert found.verdict == verdict, found.text


def test_a_service_that_has_just_begun_has_no_partition_of_the_hour_before() -> None:
    midnight = NOW.replace(hour=0, minute=10)
    for unit in ("hour", "day", "month"):
        made = partitions.ahead(midnight, 7, unit)
        spans = sorted({partitions.span_of(instant, unit) for instant in made})
        subject = database(spans=spans)
        subject.settings = SimpleNamespace(partition_by=unit)
        subject.worker = SimpleNamespace(partitions_ahead=7)
        subject.machine = SimpleNamespace(clock=midnight.timestamp)
        assert schema_checks._partitions(subject).verdict == Verdict.OK


def test_partitions_are_counted_up_to_the_first_gap() -> None:
    days = [NOW.replace(hour=0) + timedelta(days=number) for number in range(6)]
    spans = [(days[0], days[1]), (days[1], days[2]), (days[3], days[4])]
    assert schema_checks.covered_until(spans, NOW) == days[2]
    assert schema_checks.covered_until([], NOW) == NOW
    assert schema_checks.covered_until(spans[2:], NOW) == NOW


def test_an_index_that_is_being_built_is_only_a_warning() -> None:
    index = InvalidIndex("new", "events", "CREATE INDEX new", partitioned=False, is_built=True)
    found = schema_checks._indexes(database(invalid_indexes=[index]))
    assert (found.verdict, "is being built" in found.text) == (Verdict.WARNING, True)


def test_hidden_sessions_make_transactions_unknown() -> None:
    subject = database(long_transactions=lambda _: LongTransactions([], hidden=2))
    found = database_checks._transactions(subject)
    assert (found.verdict, "hides 2 sessions" in found.text) == (Verdict.UNKNOWN, True)
