"""What an API process was told of a shard shows later how many events the shard has lost."""

from storage.queue.inspector import ShardState
from storage.queue.witness import Evidence, Gap, Witness, joined


def shard(accepted: int, trimmed: int = 0, number: int = 0) -> ShardState:
    waiting = accepted - trimmed
    return ShardState(
        number, accepted, trimmed, waiting, waiting, 0, 0, 0.0, "idle", "", since_ms=1
    )


def told(*counts: int) -> Witness:
    """Return a witness of appends to one shard, after each of which it had accepted so many."""
    witness = Witness()
    for count in counts:
        witness.hear(0, witness.known(0), witness.known(0), count)
    return witness


def lost(witness: Witness, accepted: int, trimmed: int = 0) -> int:
    return witness.evidence().lost([shard(accepted, trimmed)])


def test_while_counts_grow_nothing_is_lost() -> None:
    witness = told(10, 25)
    witness.hear(0, 25, 40, 41)  # others have appended meanwhile
    witness.read({0: 41}, [shard(90, 60)])
    assert lost(witness, 90, 60) == 0


def test_a_count_that_falls_tells_how_much_is_lost_and_stays_told() -> None:
    witness = told(100)
    assert lost(witness, 70) == 30
    witness.hear(0, 100, 70, 75)
    assert lost(witness, 75) == 30
    witness.read({0: 75}, [shard(500)])
    assert lost(witness, 500) == 30


def test_a_loss_that_the_next_append_exceeds_is_seen() -> None:
    witness = told(100)
    witness.hear(0, 100, 98, 1_098)
    assert lost(witness, 1_098) == 2


def test_a_count_below_what_is_known_is_noticed() -> None:
    known = told(100).evidence()
    assert known.exceeds([shard(500, number=1), shard(99)])
    assert not known.exceeds([shard(100), shard(0, number=1)])


def test_an_answer_that_comes_late_is_no_loss() -> None:
    witness = told(100)
    known = witness.known(0)
    witness.hear(0, known, 160, 180)
    witness.hear(0, known, 100, 160)  # was made first
    assert lost(witness, 180) == 0


def test_a_reading_that_began_before_an_append_is_no_loss() -> None:
    witness = told(100)
    before = witness.evidence().accepted
    witness.hear(0, 100, 100, 150)
    witness.read(before, [shard(100)])
    assert lost(witness, 150) == 0


def test_what_no_append_has_acknowledged_is_not_lost() -> None:
    witness = told(100)
    witness.read({0: 100}, [shard(180)])
    witness.see(0, 100, 170)
    assert lost(witness, 100) == 0


def test_an_event_that_was_appended_before_its_answer_was_lost_is_no_loss() -> None:
    witness = told(100)
    witness.hear(0, 100, 101, 101)
    assert lost(witness, 101) == 0


def test_what_was_trimmed_was_stored_and_is_not_lost() -> None:
    witness = told(100)
    witness.read({}, [shard(100, trimmed=80)])
    assert lost(witness, 70, trimmed=60) == 20
    witness.hear(0, 100, 70, 71)
    assert lost(witness, 71, trimmed=60) == 20


def test_an_empty_queue_in_the_place_of_one_that_was_drained_has_lost_nothing() -> None:
    witness = told(100)
    witness.read({}, [shard(100, trimmed=100)])
    witness.hear(0, 100, 0, 5)
    assert lost(witness, 5) == 0


def test_processes_that_notice_the_same_failover_count_it_once() -> None:
    first, second = told(100), told(120)
    first.hear(0, 100, 70, 75)
    second.hear(0, 120, 75, 80)
    both = joined(first.evidence(), second.evidence())
    assert both.lost([shard(80)]) == 50


def test_shards_are_counted_apart() -> None:
    found = Evidence({0: 10, 1: 10}, {}, [Gap(1, 2, 4), Gap(0, 20, 25), Gap(1, 3, 5)])
    assert found.lost([shard(8), shard(9, number=1)]) == 2 + 5 + 1 + 3


def test_a_process_that_begins_later_notices_too() -> None:
    later = Witness()
    later.remember(told(100).evidence())
    later.hear(0, later.known(0), 60, 61)
    assert lost(later, 61) == 40


def test_gaps_that_are_recorded_are_dropped_and_others_kept() -> None:
    witness = told(100)
    witness.hear(0, 100, 70, 75)
    recorded = witness.evidence().gaps
    witness.hear(0, 75, 50, 51)
    witness.forget(recorded)
    assert witness.evidence().gaps == (Gap(0, 50, 75),)
