"""Counts at the terminal tell what they leave out, and what has no name hides no other bar."""

from datetime import UTC

from cli.query.facets import Facet, Facets, facet_lines
from cli.query.screen import Screen
from cli.query.statistics import Bar, Counts, Groups, Value, Window
from cli.query.statistics_text import statistics_lines

DAY = Window("2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z")


def lines_of(facet: Facet) -> list[str]:
    return list(facet_lines(Facets(True, DAY, {"data": facet}), Screen()))


def test_keys_that_are_not_named_are_counted() -> None:
    values = [Value(f"data.k{number}", 9 - number) for number in range(5)]
    *_, last = lines_of(Facet(values, 0, 12, newest=2_000))
    assert last.strip().startswith("(7 more keys; --values N ")
    assert "more key" not in lines_of(Facet(values, 0, 5, newest=2_000))[-1]


def test_events_without_a_named_value_do_not_scale_the_bars() -> None:
    named = [Value("a", 10), Value("b", 5)]
    alone = lines_of(Facet(named, 0, 2, 0))
    _, first, second, *rest = lines_of(Facet(named, 90_000, 900, 80_000))
    assert [line.count("█") for line in (first, second)] == [line.count("█") for line in alone[1:]]
    assert not any("█" in line for line in rest)
    assert [line.split()[0] for line in rest] == ["80,000", "90,000"]


def _counts(values: int, empty: int) -> Counts:
    groups = Groups([Value(f"c{number}", 1) for number in range(values)], 0, 0)
    bars = [Bar(f"2026-10-25T{hour:02}:00:00Z", 0) for hour in range(empty)]
    bars.append(Bar("2026-10-25T23:00:00Z", values, groups))
    return Counts(DAY.start, DAY.end, "hour", values, True, DAY, bars, None)


def test_a_table_in_a_file_has_few_groups_too() -> None:
    heading, _, last, _ = statistics_lines(_counts(50, 10), UTC, Screen())
    assert len(heading.split()) < 20
    assert sum(int(cell) for cell in last.split()[3:]) == 50


def test_a_run_of_bars_without_events_has_no_zeros() -> None:
    for count in (_counts(3, 10), Counts(*_plain())):
        _, run, *_ = statistics_lines(count, UTC, Screen())
        assert run.strip() == "(10 bars without events)"


def _plain() -> tuple[str, str, str, int, bool, Window, list[Bar], None]:
    bars = [Bar(each.at, each.count) for each in _counts(3, 10).bars]
    return DAY.start, DAY.end, "hour", 3, True, DAY, bars, None
