"""Counts for people: each number is there, and the sums agree."""

from datetime import UTC
from zoneinfo import ZoneInfo

from cli.query.screen import Screen
from cli.query.statistics import Bar, Counts, Groups, Value, Window
from cli.query.statistics_text import statistics_lines

DAY = ("2026-10-25T00:00:00Z", "2026-10-25T04:00:00Z")


def counts(bars: list[Bar], interval: str = "hour", complete: bool = True) -> Counts:
    total = sum(bar.count for bar in bars)
    return Counts(*DAY, interval, total, complete, Window(*DAY), bars, None)


def hour(number: int, count: int, **values: int) -> Bar:
    groups = Groups([Value(name, n) for name, n in values.items()], 0, count - sum(values.values()))
    return Bar(f"2026-10-25T{number:02}:00:00Z", count, groups if values else None)


def test_each_bar_has_a_line_and_the_total_is_below() -> None:
    lines = list(statistics_lines(counts([hour(0, 5), hour(1, 0), hour(2, 1234)]), UTC, Screen()))
    assert [line.split()[:3] for line in lines[1:4]] == [
        ["2026-10-25", "00:00:00", "5"],
        ["2026-10-25", "01:00:00", "0"],
        ["2026-10-25", "02:00:00", "1,234"],
    ]
    assert lines[3].endswith("█" * 50)
    assert lines[4] == "1,239 in all, from 2026-10-25 00:00:00 to 2026-10-25 04:00:00 UTC, by hour"
    assert len(lines) == 5


def test_many_bars_without_events_are_one_line_and_few_are_not() -> None:
    bars = [hour(0, 1), *(hour(n, 0) for n in range(1, 6)), hour(6, 1), hour(7, 0)]
    lines = list(statistics_lines(counts(bars), UTC, Screen()))
    assert [line.split("  ")[0] for line in lines[1:-1]] == [
        "2026-10-25 00:00:00",
        "(5 bars without events)",
        "2026-10-25 06:00:00",
        "2026-10-25 07:00:00",
    ]


def test_an_hour_that_a_clock_shows_twice_is_told_apart() -> None:
    lines = list(
        statistics_lines(counts([hour(0, 1), hour(1, 2)]), ZoneInfo("Europe/Berlin"), Screen())
    )
    assert lines[1].startswith("2026-10-25 02:00:00+02:00")
    assert lines[2].startswith("2026-10-25 02:00:00+01:00")


def test_a_day_is_a_date() -> None:
    bars = [Bar("2026-10-24T22:00:00Z", 3), Bar("2026-10-25T10:00:00Z", 4)]
    lines = list(statistics_lines(counts(bars, "day"), ZoneInfo("Europe/Berlin"), Screen()))
    assert lines[1].split()[:2] == ["2026-10-25", "3"]
    assert lines[2].split()[:2] == ["2026-10-25", "11:00:00+01:00"]  # the middle of a day


def test_groups_that_have_no_room_count_as_other() -> None:
    values = {f"component-{number}": number + 1 for number in range(6)}
    bars = [hour(0, 30, **values), hour(1, 0)]
    for columns in (40, 80, 120, None):
        heading, first, second, *_ = statistics_lines(counts(bars), UTC, Screen(columns))
        cells = [int(cell) for cell in first.split()[2:]]
        assert cells[0] == 30
        assert sum(cells[1:]) == 30, heading
        assert columns is None or len(heading) <= columns
        assert set(second.split()[2:]) == {"0"}


def test_counts_that_are_not_complete_say_so() -> None:
    *_, last = statistics_lines(counts([hour(0, 5)], complete=False), UTC, Screen())
    assert last.startswith("NOT YET COMPLETE: ")
