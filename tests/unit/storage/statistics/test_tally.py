"""Values that are named, and those that are counted together."""

from storage.statistics.counts import MAX_ROWS, Count
from storage.statistics.marks import MAX_NAMED
from storage.statistics.tally import Tally


def rows(bar: int, values: range, number: int = 1) -> list[Count]:
    return [Count(bar, f"v{value:06}", False, number) for value in values]


def test_the_most_frequent_values_are_named_and_the_rest_is_exact() -> None:
    tally = Tally()
    tally.add(rows(0, range(MAX_NAMED + 20)))
    tally.add([*rows(1, range(60, 70), 5), Count(1, None, True, 7), Count(1, None, False, 2)])
    marks = tally.settle()

    assert len(marks) == MAX_NAMED
    assert tally.groups(1).values == [(f"v{value:06}", 5) for value in range(60, 70)]
    assert (tally.groups(1).other, tally.groups(1).missing) == (2, 7)
    assert (len(tally.groups(0).values), tally.groups(0).other) == (MAX_NAMED, 20)
    assert tally.count(0) == MAX_NAMED + 20
    assert tally.total == MAX_NAMED + 20 + 59


def test_answers_that_continue_each_other_name_the_same_values() -> None:
    first = Tally()
    first.add(rows(0, range(100)))
    second = Tally(first.settle())
    second.add(rows(1, range(90, 200), 9) + rows(1, range(10)))
    second.settle()

    named = {value for value, _ in first.groups(0).values}
    assert {value for value, _ in second.groups(1).values} <= named
    assert second.groups(1).other == 110 * 9


def test_free_places_go_to_values_that_no_earlier_answer_had() -> None:
    first = Tally()
    first.add(rows(0, range(10)))
    second = Tally(first.settle())
    second.add(rows(1, range(5, 100), 2))
    marks = second.settle()

    assert len(marks) == MAX_NAMED
    assert len(second.groups(1).values) == 5 + MAX_NAMED - 10
    assert second.groups(1).other == 2 * (95 - 5 - MAX_NAMED + 10)


def test_values_without_end_take_no_memory_without_end() -> None:
    tally = Tally()
    for part in range(4):
        tally.add(rows(0, range(part * MAX_ROWS, (part + 1) * MAX_ROWS)))
    tally.settle()

    assert len(tally.groups(0).values) == MAX_NAMED
    assert tally.groups(0).other == 4 * MAX_ROWS - MAX_NAMED
