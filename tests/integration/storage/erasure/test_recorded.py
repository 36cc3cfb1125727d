"""Recorded erasures are applied again to what was restored from a backup."""

import pytest

from storage.erasure.recorded import (
    AppliedAgain,
    apply_recorded_erasures,
    candidates,
    exported,
    imported,
)
from storage.postgres.tables import erasures
from storage.retention.holds import LegalHolds
from tests.support import erasing as support
from tests.support.erasing import JO, ErasureBench, assert_history_is_erased, history
from tests.support.queued import add_dead_letter, dead_ids, make_event

erasing = support.erasing


@pytest.mark.parametrize(
    "text",
    [
        "jo.do@example.com",
        "mail to <JO.DO@example.com>, please",
        "export_jo.do@example.com.csv",
        "x=jo.do@example.com-1",
        "a line\\njo.do@example.com",
        "%3Cjo.do@example.com",
        '{"to": "jo\\u002edo\\u0040example.com"}',
    ],
)
def test_every_place_where_an_address_is_erased_is_looked_at(text: str) -> None:
    assert JO in set(candidates(text))


def test_text_with_many_signs_of_an_address_is_read_in_bounded_time() -> None:
    long = "A" * 100_000
    assert set(candidates(f"{long} {JO} {long}")) >= {JO}
    assert set(candidates(f"x@{JO}")) >= {JO, "x@jo.do"}
    found = set(candidates("a." * 2_000 + "@" + "b." * 2_000))
    assert max(map(len, found)) == 254


@pytest.mark.parametrize("text", ["banjo.do@example.com", "jo.do@example.community", "jo.do"])
def test_another_address_is_none(text: str) -> None:
    assert JO not in set(candidates(text))


def test_a_restored_database_is_erased_again(erasing: ErasureBench) -> None:
    first = erasing.begin()
    erasing.finish()
    kept = exported(erasing.engine)
    assert JO not in repr(kept)
    erasing.store(history(end_ms=first.before_ms))
    add_dead_letter(erasing.engine, make_event("of Jo", ms=first.before_ms - 1, email=JO))
    with erasing.engine.begin() as connection:
        connection.execute(erasures.delete())
    assert apply_recorded_erasures(erasing.servers) == AppliedAgain(0)
    imported(erasing.engine, kept)
    imported(erasing.engine, kept)
    assert apply_recorded_erasures(erasing.servers) == AppliedAgain(1)
    erasing.finish()
    assert_history_is_erased(erasing)
    assert dead_ids(erasing.engine) == {}
    assert apply_recorded_erasures(erasing.servers) == AppliedAgain(0)


def test_only_the_address_in_a_text_is_found_too(erasing: ErasureBench) -> None:
    begun = erasing.begin()
    erasing.finish()
    old = make_event(f"names {JO}", ms=begun.before_ms - 5, data=b'{"k": ["JO.do@example.com"]}')
    new = make_event(f"later names {JO}", ms=begun.before_ms + 5)
    erasing.store([old, new])
    assert apply_recorded_erasures(erasing.servers) == AppliedAgain(1)
    erasing.finish()
    found = erasing.rows("SELECT message, data::text FROM events ORDER BY created_at")
    assert found == [("names [erased]", '{"k": ["[erased]"]}'), (f"later names {JO}", None)]


def test_an_erasure_for_which_a_hold_waits_is_told_and_not_counted_as_done(
    erasing: ErasureBench,
) -> None:
    both = [erasing.begin(), erasing.begin("ann@example.com")]
    erasing.finish()
    ms = min(each.before_ms for each in both) - 5
    erasing.store(
        [make_event("of Jo", ms, email=JO), make_event("Ann", ms, email="ann@example.com")]
    )
    holds = LegalHolds(erasing.engine, "somebody@host")
    hold = holds.add("a lawsuit", email=JO)
    again = apply_recorded_erasures(erasing.servers)
    assert again.erased == 1
    assert list(again.waiting) == [both[0].id]
    assert f"{hold.id} (a lawsuit)" in again.waiting[both[0].id]
    assert erasing.rows("SELECT email FROM events") == [(JO,)]
    holds.remove(hold.id)
    erasing.finish()
    assert erasing.rows("SELECT email FROM events") == []
