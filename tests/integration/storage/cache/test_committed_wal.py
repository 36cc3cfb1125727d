"""Control knows a place in the WAL behind every commit whose cache write has ended, or none."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from storage.cache.committed_wal import CommittedWal
from storage.cache.invalidation import CacheInvalidator
from storage.cache.page_cache import Miss
from storage.model.event import now_ms
from storage.model.wal_position import WalPosition
from storage.redis.client import connect
from storage.settings import StorageSettings
from tests.support import cached_pages
from tests.support.cached_pages import OF, lead
from tests.support.reading import Reader

read = cached_pages.read
invalidator = cached_pages.invalidator


@pytest.fixture
def committed(settings: StorageSettings) -> Iterator[CommittedWal]:
    with closing(CommittedWal(settings.control_url, grace_ms=0)) as found:
        yield found


def at(lsn: int, timeline: int = 1, system: int = 7_583_003_122_771_914_001) -> WalPosition:
    return WalPosition(system, timeline, lsn)


def begin(invalidator: CacheInvalidator, writer: int | str) -> None:
    invalidator.begin_write(writer, now_ms(), ["all", OF[0]], 1)


def end(invalidator: CacheInvalidator, writer: int | str, wal: WalPosition | None) -> None:
    invalidator.end_write(writer, now_ms(), ["all", OF[0]], 1, wal)


def write(invalidator: CacheInvalidator, writer: int | str, wal: WalPosition | None) -> None:
    begin(invalidator, writer)
    end(invalidator, writer, wal)


def test_at_first_nothing_is_known(committed: CommittedWal) -> None:
    assert committed.position() is None


def test_the_latest_place_is_kept(
    committed: CommittedWal, invalidator: CacheInvalidator, read: Reader
) -> None:
    for lsn, kept in ((2**53 - 9, 2**53 - 9), (5, 2**53 - 9), (2**53 - 1, 2**53 - 1)):
        write(invalidator, 0, at(lsn))
        assert committed.position() == at(kept)
    assert lead(read).wal == at(2**53 - 1)


def test_a_later_timeline_is_later_and_another_system_is_new(
    committed: CommittedWal, invalidator: CacheInvalidator
) -> None:
    for told, kept in (
        (at(9), at(9)),
        (at(5, timeline=2), at(5, timeline=2)),
        (at(7), at(5, timeline=2)),
        (at(3, timeline=10), at(3, timeline=10)),
        (at(1, system=2), at(1, system=2)),
    ):
        write(invalidator, 0, told)
        assert committed.position() == kept


def test_while_a_writer_may_have_committed_nothing_is_known(
    committed: CommittedWal, invalidator: CacheInvalidator, read: Reader
) -> None:
    write(invalidator, 0, at(1))
    begin(invalidator, 1)
    assert committed.position() is None
    assert lead(read).wal is None
    end(invalidator, 1, at(2))
    assert committed.position() == at(2)
    assert lead(read).wal == at(2)


def test_after_a_write_that_tells_no_place_only_a_later_one_makes_it_known(
    committed: CommittedWal, invalidator: CacheInvalidator, read: Reader
) -> None:
    write(invalidator, 0, at(5))
    begin(invalidator, 1)
    begin(invalidator, 2)
    end(invalidator, 2, None)
    end(invalidator, 1, at(6))  # its commit may be before that of writer 2
    assert committed.position() is None
    assert lead(read).wal is None
    write(invalidator, "replay", at(9))
    begin(invalidator, 1)
    assert committed.position() is None
    end(invalidator, 1, at(10))
    assert committed.position() == at(10)


def test_a_place_of_before_is_kept_once_another_is_known(
    committed: CommittedWal, invalidator: CacheInvalidator
) -> None:
    begin(invalidator, 1)
    write(invalidator, 2, None)
    write(invalidator, 0, at(5))
    end(invalidator, 1, at(6))
    assert committed.position() == at(6)


def test_a_write_that_began_before_control_lost_its_data_makes_nothing_known(
    settings: StorageSettings, committed: CommittedWal, invalidator: CacheInvalidator
) -> None:
    begin(invalidator, 0)
    with closing(connect(settings.control_url)) as control:
        control.flushall()
    end(invalidator, 0, at(5))
    assert committed.position() is None
    write(invalidator, 0, at(6))
    assert committed.position() == at(6)


def test_nothing_is_known_for_a_while_after_control_lost_its_data(
    settings: StorageSettings, invalidator: CacheInvalidator
) -> None:
    with closing(CommittedWal(settings.control_url, grace_ms=3_600_000)) as careful:
        write(invalidator, 0, at(5))
        assert careful.position() is None


def test_without_control_nothing_is_known_and_it_is_not_asked_again_at_once() -> None:
    with closing(CommittedWal("redis://127.0.0.1:1/0")) as away:
        assert away.position() is None
        assert away._asks_again > 0
        assert away.position() is None


def test_a_page_that_is_missed_tells_the_place(invalidator: CacheInvalidator, read: Reader) -> None:
    write(invalidator, 0, at(5))
    found = lead(read)
    assert isinstance(found, Miss)
    assert found.wal == at(5)
