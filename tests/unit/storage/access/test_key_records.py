"""What a process knows of keys: it forgets nothing, and uses no key that it can't read."""

from storage.access.key_records import KeyRecords, KnownKeys, shown_id
from tests.support.access import START, make_key

KEY, OTHER = make_key(), make_key()
REVOKED = KEY.revoked(START)


def test_a_process_never_forgets_a_revocation_it_has_seen() -> None:
    known = KnownKeys().with_queue(KeyRecords({KEY.id: REVOKED}))
    for restored in (KeyRecords({KEY.id: KEY}), KeyRecords()):
        known = known.with_queue(restored).with_table(restored)
        assert known.find(KEY.id) == REVOKED


def test_the_keys_of_both_homes_are_known() -> None:
    known = KnownKeys().with_queue(KeyRecords({KEY.id: KEY}))
    known = known.with_table(KeyRecords({OTHER.id: OTHER, KEY.id: REVOKED}))
    assert known.find(KEY.id) == REVOKED
    assert known.find(OTHER.id) == OTHER
    assert known.find("unknown0") is None


def test_a_key_that_one_home_can_not_read_is_unusable_until_it_can() -> None:
    garbage, good = KeyRecords({}, frozenset({KEY.id})), KeyRecords({KEY.id: KEY})
    known = KnownKeys().with_table(good).with_queue(garbage)
    assert known.find(KEY.id) is None
    assert known.unreadable == {KEY.id}
    assert known.with_table(good).find(KEY.id) is None  # the queue still can't
    assert known.with_queue(good).find(KEY.id) == KEY


def test_merging_two_homes_keeps_what_either_can_not_read() -> None:
    merged = KeyRecords({KEY.id: KEY}).merge(KeyRecords({OTHER.id: OTHER}, frozenset({KEY.id})))
    assert merged == KeyRecords({KEY.id: KEY, OTHER.id: OTHER}, frozenset({KEY.id}))


def test_an_id_that_somebody_else_wrote_can_not_control_a_terminal() -> None:
    assert shown_id(KEY.id) == KEY.id
    assert shown_id("\x1b[2J\n") == r"\x1b[2J\n"
    assert len(shown_id("x" * 1_000_000)) == 100
