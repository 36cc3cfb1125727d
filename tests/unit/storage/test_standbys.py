"""What keeps readers from standbys, and which of it an operator should mend."""

from storage.postgres.standby import to_mend

PRIMARY = "it is no standby, but a primary"
AWAY = "connection refused"


def test_a_primary_in_a_list_is_no_fault_while_a_standby_of_the_list_can_be_used() -> None:
    assert to_mend({"a": PRIMARY, "b": None}) == {}
    assert to_mend({"a": PRIMARY, "b": AWAY, "c": None}) == {"b": AWAY}


def test_a_list_without_a_usable_standby_is_told_whole() -> None:
    assert to_mend({"a": PRIMARY}) == {"a": PRIMARY}
    assert to_mend({"a": PRIMARY, "b": AWAY}) == {"a": PRIMARY, "b": AWAY}
    assert to_mend({"a": None}) == to_mend({}) == {}
