"""Legal holds: what they touch, and that they wait for whoever removes events."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread
from uuid import uuid4

import pytest
import sqlalchemy as sa

from storage.access.audit import newest_lines
from storage.errors import Held
from storage.model.event import to_ms
from storage.postgres import locks
from storage.postgres.engine import plain_engine, transaction
from storage.postgres.locks import Lock
from storage.postgres.partitions import name_of, span_of
from storage.retention import holds
from storage.retention.holds import LegalHold, LegalHolds
from storage.settings import StorageSettings
from testbed.waiting import wait_until
from tests.support.reading import made, make_days, store

DAY = timedelta(days=1)
START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    engine = plain_engine(settings.database_url, pool=3)
    yield engine
    engine.dispose()


@pytest.fixture
def legal(engine: sa.Engine) -> LegalHolds:
    return LegalHolds(engine, "an administrator")


def touched(engine: sa.Engine, day: datetime) -> list[LegalHold]:
    span = span_of(day, "day")
    with transaction(engine) as connection:
        return list(holds.touched_by(connection, span, name_of(span)))


def of_email(engine: sa.Engine, email: str) -> list[LegalHold]:
    with transaction(engine) as connection:
        return list(holds.of_email(connection, email))


def test_holds_are_added_listed_and_removed_each_with_its_line_in_the_audit_log(
    engine: sa.Engine, legal: LegalHolds
) -> None:
    of_time = legal.add("case 1", START, START + DAY)
    of_person = legal.add("case 2", email="Jo@Example.com")
    assert legal.listed() == [of_person, of_time]
    assert (of_person.email, of_person.added_by) == ("jo@example.com", "an administrator")
    assert legal.remove(of_time.id) == of_time
    assert legal.remove(of_time.id) is None
    assert legal.listed() == [of_person]
    lines = newest_lines(engine, START, 10)
    assert [(line.action, line.target) for line in reversed(lines)] == [
        ("holds add", str(of_time.id)),
        ("holds add", str(of_person.id)),
        ("holds remove", str(of_time.id)),
    ]
    assert all("xample" not in str(line.details) for line in lines)


def test_a_hold_of_a_time_touches_each_partition_that_it_overlaps(
    engine: sa.Engine, settings: StorageSettings, legal: LegalHolds
) -> None:
    days = [START + n * DAY for n in range(4)]
    make_days(settings, days)
    hold = legal.add("r", START + DAY / 2, START + 2 * DAY)
    assert [touched(engine, day) for day in days] == [[hold], [hold], [], []]
    later = legal.add("r", START + 3 * DAY)
    assert [touched(engine, day) for day in days] == [[hold], [hold], [], [later]]
    legal.remove(hold.id)
    before = legal.add("r", end=START + 1 * DAY)
    assert [touched(engine, day) for day in days] == [[before], [], [], [later]]


def test_a_hold_of_an_email_touches_the_partitions_with_its_events(
    engine: sa.Engine, settings: StorageSettings, legal: LegalHolds
) -> None:
    days = [START + n * DAY for n in range(3)]
    make_days(settings, days)
    emails = ["jo@example.com", "al@example.com", "JO@example.com"]
    store(
        settings, [made(to_ms(day), email=email) for day, email in zip(days, emails, strict=True)]
    )
    hold = legal.add("r", email="Jo@Example.Com")
    assert [touched(engine, day) for day in days] == [[hold], [], [hold]]
    legal.remove(hold.id)
    within = legal.add("r", START + DAY, None, "jo@example.com")
    assert [touched(engine, day) for day in days] == [[], [], [within]]


def test_erasing_is_refused_by_the_holds_of_the_email_and_of_times_with_its_events(
    engine: sa.Engine, settings: StorageSettings, legal: LegalHolds
) -> None:
    make_days(settings, [START])
    store(settings, [made(to_ms(START + DAY / 2), email="Jo@example.com")])
    elsewhere = legal.add("r", START + DAY, START + 2 * DAY)
    assert of_email(engine, "jo@example.com") == []
    of_time = legal.add("r", START, START + DAY)
    of_person = legal.add("r", START - DAY, START, "jo@example.com")
    assert of_email(engine, "JO@example.com") == [of_person, of_time]
    assert of_email(engine, "al@example.com") == []
    open_end = legal.add("case 9", START + 3 * DAY)  # events may still come into its time
    assert of_email(engine, "al@example.com") == [open_end]
    with pytest.raises(Held, match="case 9"), transaction(engine) as connection:
        holds.require_none(connection, "al@example.com")
    for hold in (open_end, of_time, of_person):
        legal.remove(hold.id)
    with transaction(engine) as connection:
        holds.require_none(connection, "jo@example.com")
    assert legal.listed() == [elsewhere]


def test_a_hold_waits_until_nobody_removes_events(engine: sa.Engine, legal: LegalHolds) -> None:
    adding = Thread(target=legal.add, args=("r", START))
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with transaction(engine) as connection:
        holds.keep_unchanged(connection)
        adding.start()
        wait_until(lambda: connection.scalar(waiting), "the hold to wait", 60)
        assert holds.listed(connection) == []
    adding.join(60)
    assert len(legal.listed()) == 1


def test_several_may_remove_events_at_once(engine: sa.Engine) -> None:
    with transaction(engine) as one, transaction(engine) as other:
        holds.keep_unchanged(one)
        holds.keep_unchanged(other)
        assert locks.try_acquire_shared_for_session(other, Lock.LEGAL_HOLDS)
        locks.release_shared_for_session(other, Lock.LEGAL_HOLDS)


def test_an_unknown_hold_is_not_removed(legal: LegalHolds) -> None:
    assert legal.remove(uuid4()) is None
