"""Who holds the lease by the answers of three Sentinels with a quorum of 2. Times in seconds."""

import pytest

from storage.redis.primary_lease import SETTLE_SECONDS, PrimaryLease, Term, Told

OLD, NEW = Term(("10.0.0.1", 6379), 1), Term(("10.0.0.2", 6379), 2)
DOWN_AFTER, FAILOVER_TIMEOUT = 2.0, 30.0


def told(
    age: float,
    term: Term = OLD,
    is_down: bool = False,
    is_replacing: bool = False,
    down_after: float = DOWN_AFTER,
    sentinels: int = 3,
    quorum: int = 2,
) -> Told:
    return Told(term, is_down, is_replacing, age, down_after, FAILOVER_TIMEOUT, sentinels, quorum)


def hear(lease: PrimaryLease, sentinels: str, now: float, told: Told) -> None:
    for sentinel in sentinels:
        lease.hear(sentinel, now, now, told)


def settled(lease: PrimaryLease, sentinels: str, start: float) -> float:
    """Let these see the primary well for long enough; return when."""
    now = start
    while now < start + SETTLE_SECONDS:
        hear(lease, sentinels, now, told(0.0))
        assert lease.holder(now) is None
        now += 1.0
    hear(lease, sentinels, now, told(0.0))
    return now


@pytest.fixture
def lease() -> PrimaryLease:
    """Return what is known at 10 s: all had an answer at 9.5 s."""
    found = PrimaryLease(3)
    hear(found, "abc", 10.0, told(0.5))
    return found


def test_a_primary_is_sure_until_the_first_sentinel_may_see_it_down(lease: PrimaryLease) -> None:
    assert lease.holder(11.4) == OLD
    hear(lease, "ab", 11.4, told(0.0))
    assert lease.holder(11.6) is None
    hear(lease, "c", 11.7, told(0.0))
    assert lease.holder(13.3) == OLD
    assert lease.holder(13.5) is None


def test_nothing_is_sure_before_all_have_answered() -> None:
    lease = PrimaryLease(3)
    assert lease.holder(0.0) is None
    hear(lease, "ab", 10.0, told(0.1))
    assert lease.holder(10.0) is None  # c may lead a failover
    hear(lease, "c", 10.0, told(0.1))
    assert lease.holder(10.0) == OLD


def test_two_of_three_suffice_once_they_have_seen_it_well_for_long_enough() -> None:
    lease = PrimaryLease(3)
    now = settled(lease, "ab", 10.0)
    assert lease.holder(now) == OLD
    assert lease.holder(now + DOWN_AFTER + 0.1) is None


def test_after_a_pause_two_of_three_are_sure_after_a_while_only(lease: PrimaryLease) -> None:
    settled(lease, "ab", 13.0)  # no answer from 9.5 on, for longer than DOWN_AFTER


def test_after_a_pause_a_primary_that_all_see_well_is_sure(lease: PrimaryLease) -> None:
    hear(lease, "abc", 13.0, told(0.1))
    assert lease.holder(13.0) == OLD


def test_a_pause_that_no_sentinel_can_have_noticed_breaks_nothing() -> None:
    lease = PrimaryLease(3)
    now = settled(lease, "ab", 10.0)
    hear(lease, "ab", now + 1.9, told(0.0))
    assert lease.holder(now + 3.8) == OLD


def test_a_question_that_was_answered_late_hides_no_break() -> None:
    """The primary answered the Sentinels at 18.0 and at 21.0, too late for them."""
    lease = PrimaryLease(3)
    now = settled(lease, "ab", 10.0)
    for sentinel in "ab":
        lease.hear(sentinel, now + 1.5, now + 3.1, told(0.1))
    assert lease.holder(now + 3.1) is None


@pytest.mark.parametrize("is_settled", [False, True])
def test_a_sentinel_that_replaces_the_primary_forbids_it(is_settled: bool) -> None:
    lease = PrimaryLease(3)
    now = settled(lease, "ab", 10.0) if is_settled else 10.0
    hear(lease, "abc", now, told(0.1))
    assert lease.holder(now) == OLD
    hear(lease, "c", now, told(0.1, is_replacing=True))
    assert lease.holder(now) is None
    later = now + FAILOVER_TIMEOUT - 0.1
    hear(lease, "ab", later, told(0.0))
    assert lease.holder(later) is None


def test_a_sentinel_that_knows_a_later_primary_forbids_the_former() -> None:
    lease = PrimaryLease(3)
    now = settled(lease, "ab", 10.0)
    hear(lease, "c", now, told(0.1, NEW))
    assert lease.holder(now) is None


def test_the_new_primary_is_sure_once_all_know_it(lease: PrimaryLease) -> None:
    hear(lease, "abc", 12.0, told(2.5, is_down=True))
    hear(lease, "ab", 12.5, told(0.1, NEW))
    assert lease.holder(12.5) is None
    hear(lease, "c", 12.5, told(0.1, NEW))
    assert lease.holder(12.5) == NEW


def test_a_sentinel_that_knows_no_other_does_not_suffice() -> None:
    lease = PrimaryLease(3)
    hear(lease, "a", 10.0, told(0.1, sentinels=1))
    assert lease.holder(10.0) is None
    assert "1 of 3 Sentinels see it well, and all must, or 2 for 8 s" in lease.doubt(
        OLD.primary, 10.0
    )


def test_with_a_quorum_of_one_no_sentinel_may_be_away() -> None:
    lease = PrimaryLease(3)
    for now in range(10, 30):
        hear(lease, "ab", now, told(0.0, quorum=1))
        assert lease.holder(now) is None


def test_a_doubt_names_what_is_wrong_with_the_settings() -> None:
    lease = PrimaryLease(3)
    hear(lease, "abc", 10.0, told(0.5, sentinels=5))
    assert lease.holder(10.0) is None
    assert "3 of 5 Sentinels" in lease.doubt(OLD.primary, 10.0)
    assert "ACTIVITY_QUEUE_URL names 3" in lease.doubt(OLD.primary, 10.0)
    hear(lease, "ab", 10.0, told(0.5, down_after=1.0))
    assert "down-after-milliseconds is 1000 and must be 2000" in lease.doubt(OLD.primary, 10.0)
