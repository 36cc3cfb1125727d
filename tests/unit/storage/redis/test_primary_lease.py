"""Which primary is sure by the answers of three Sentinels with a quorum of 2. Times in seconds."""

import pytest

from storage.redis.primary_lease import SETTLE_SECONDS, Address, PrimaryLease, Told

OLD, NEW = ("10.0.0.1", 6379), ("10.0.0.2", 6379)
DOWN_AFTER = 2.0


def told(
    answered: float,
    primary: Address = OLD,
    epoch: int = 1,
    is_well: bool = True,
    quorum: int = 2,
) -> Told:
    return Told(primary, epoch, is_well, answered, DOWN_AFTER, 3, quorum)


@pytest.fixture
def lease() -> PrimaryLease:
    """Return what is known at 10 s: all had an answer at 9.5 s."""
    found = PrimaryLease()
    for sentinel in "abc":
        found.hear(sentinel, 10.0, told(9.5))
    return found


def test_a_primary_is_sure_until_the_first_that_could_make_a_quorum_may_see_it_down(
    lease: PrimaryLease,
) -> None:
    lease.hear("a", 10.5, told(10.4))
    assert lease.holder(11.4) == OLD
    assert lease.holder(11.6) is None  # b and c may have begun a failover
    lease.hear("b", 11.0, told(10.5))
    assert lease.holder(12.3) == OLD
    assert lease.holder(12.5) is None


def test_nothing_is_sure_before_enough_have_answered() -> None:
    lease = PrimaryLease()
    assert lease.holder(0.0) is None
    lease.hear("a", 10.0, told(9.9))
    lease.hear("b", 10.0, told(9.9))
    assert lease.holder(10.0) is None  # c may lead a failover
    lease.hear("c", 10.0, told(9.9))
    assert lease.holder(10.0) == OLD


def test_two_of_three_suffice_once_a_failover_of_the_third_would_be_known() -> None:
    lease, now = PrimaryLease(), 10.0
    while now < 10.0 + SETTLE_SECONDS:
        for sentinel in "ab":
            lease.hear(sentinel, now, told(now))
        assert lease.holder(now) is None
        now += 1.0
    assert lease.holder(now) == OLD


def test_a_primary_that_wakes_up_is_not_sure_while_one_may_replace_it(lease: PrimaryLease) -> None:
    for sentinel in "ab":
        lease.hear(sentinel, 13.0, told(12.9))  # no answer from 9.5 on, for more than DOWN_AFTER
    assert lease.holder(13.0) is None
    lease.hear("c", 13.0, told(12.9, is_well=False))  # c leads it
    assert lease.holder(13.0) is None


def test_a_primary_that_wakes_up_is_sure_once_all_see_it_well(lease: PrimaryLease) -> None:
    for sentinel in "abc":
        lease.hear(sentinel, 13.0, told(12.9))
    assert lease.holder(13.0) == OLD


def test_a_pause_that_no_sentinel_can_have_noticed_breaks_nothing(lease: PrimaryLease) -> None:
    for sentinel in "ab":
        lease.hear(sentinel, 11.45, told(11.4))
    assert lease.holder(12.0) == OLD


def test_the_new_primary_is_sure_once_enough_have_just_learned_of_it(lease: PrimaryLease) -> None:
    for sentinel in "abc":
        lease.hear(sentinel, 12.0, told(9.5, is_well=False))
    lease.hear("a", 12.5, told(12.4, NEW, 2))
    assert lease.holder(12.5) is None
    lease.hear("b", 12.5, told(12.4, NEW, 2))
    assert lease.holder(12.5) == NEW


def test_who_learned_of_the_new_primary_long_ago_may_have_seen_that_one_down_too(
    lease: PrimaryLease,
) -> None:
    for sentinel in "ab":
        lease.hear(sentinel, 20.0, told(19.9, NEW, 2))
    assert lease.holder(20.0) is None


def test_an_older_configuration_is_nothing_that_was_just_learned(lease: PrimaryLease) -> None:
    for sentinel in "ab":
        lease.hear(sentinel, 10.5, told(10.4, NEW, 0))
    assert lease.holder(10.5) is None


def test_with_a_quorum_of_one_every_sentinel_must_be_sure() -> None:
    lease = PrimaryLease()
    for sentinel in "abc":
        lease.hear(sentinel, 10.0, told(9.5, quorum=1))
    lease.hear("a", 11.4, told(11.4, quorum=1))
    lease.hear("b", 11.4, told(11.4, quorum=1))
    assert (lease.needed, lease.holder(11.4), lease.holder(11.6)) == (3, OLD, None)
