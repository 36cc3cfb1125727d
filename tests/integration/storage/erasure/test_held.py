"""Erasures beside legal holds, what a dry run counts, and which statements name the address."""

from typing import Any

import pytest
import sqlalchemy as sa

from storage.erasure.preview import preview
from storage.erasure.runner import run_pending
from storage.model.erasing import Address
from storage.model.event import now_ms, to_datetime
from storage.retention.holds import LegalHolds
from tests.support import erasing as support
from tests.support.erasing import (
    DAY_MS,
    JO,
    ErasureBench,
    assert_history_is_erased,
    history,
    names_jo,
)
from tests.support.queued import add_dead_letter, make_event

erasing = support.erasing


@pytest.fixture
def holds(erasing: ErasureBench) -> LegalHolds:
    return LegalHolds(erasing.engine, "somebody@host")


def assert_waits_for(erasing: ErasureBench, reason: str) -> None:
    assert run_pending(erasing.engine, erasing.eraser())
    ((waits_for,),) = erasing.rows("SELECT waits_for FROM erasures")
    assert reason in str(waits_for)


def letters(erasing: ErasureBench) -> list[bytes]:
    found = erasing.rows("SELECT encode(event, 'escape') FROM dead_letters")
    return [str(text).encode() for (text,) in found]


def test_an_event_of_a_held_person_that_names_another_stays_as_it_is(
    erasing: ErasureBench, holds: LegalHolds
) -> None:
    erasing.store(history(1))
    text = "from Ann to jo.do@example.com"
    erasing.store([make_event(text, now_ms() - 500, email="Ann@example.com")])
    hold = holds.add("a lawsuit", email="ann@example.com")
    other = holds.add("other", to_datetime(0), to_datetime(DAY_MS), "banjo.do@example.com")
    erasing.begin()
    assert_waits_for(erasing, "a lawsuit")
    assert erasing.rows("SELECT message FROM events WHERE email = 'Ann@example.com'") == [(text,)]
    holds.remove(hold.id)
    erasing.finish()
    held = "SELECT message FROM events WHERE email = 'Ann@example.com'"
    assert erasing.rows(held) == [("from Ann to [erased]",)]
    assert [one.id for one in holds.listed()] == [other.id]


def test_a_dead_letter_of_a_held_time_stays_as_it_is(
    erasing: ErasureBench, holds: LegalHolds
) -> None:
    ms = now_ms() - 3 * DAY_MS
    add_dead_letter(erasing.engine, make_event(f"names {JO}", ms))
    before = letters(erasing)
    hold = holds.add("an audit", to_datetime(ms - 1), to_datetime(ms + 1))
    erasing.begin()
    assert_waits_for(erasing, "an audit")
    assert letters(erasing) == before
    holds.remove(hold.id)
    erasing.finish()
    (kept,) = letters(erasing)
    assert not names_jo(kept)


def test_no_statement_of_an_erasure_has_the_address(
    erasing: ErasureBench, holds: LegalHolds
) -> None:
    erasing.store(history(2))
    add_dead_letter(erasing.engine, make_event(f"names {JO}"))
    holds.add("of a time", to_datetime(0), to_datetime(DAY_MS))
    said: list[str] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        said.append(f"{statement} {parameters!r}")

    sa.event.listen(erasing.engine, "before_cursor_execute", note)
    preview(erasing.servers, Address.of(JO))
    erasing.begin()
    erasing.finish()
    assert_history_is_erased(erasing, 2)
    assert said
    assert [each for each in said if JO in each.lower()] == []


def test_a_dry_run_counts_what_would_be_changed(erasing: ErasureBench, holds: LegalHolds) -> None:
    erasing.store(history(1))
    erasing.store([make_event("banjo.do@example.com", now_ms() - 500)])
    erasing.store([make_event("mine: jo.do@example.com", now_ms() - 400, email=JO)])
    address = Address.of(JO)
    assert preview(erasing.servers, address).holds == ()
    hold = holds.add("a lawsuit", email=JO)
    found = preview(erasing.servers, address)
    assert (found.owned, found.named, found.holds) == (2, 2, (str(hold.id),))
    holds.remove(hold.id)
    begun = erasing.begin()
    erasing.finish()
    done = erasing.record(begun)
    assert (done.deleted, done.redacted) == (found.owned, found.named)
