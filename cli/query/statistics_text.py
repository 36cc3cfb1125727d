"""Counts over time for people: a bar on each line, or a column for each group. Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, tzinfo
from itertools import groupby

from cli.display_width import cut, escaped, width
from cli.quantities import number
from cli.query.bars import bar, cells_beside
from cli.query.screen import CYAN, DIM, Screen
from cli.query.statistics import Bar, Counts, named_values
from cli.query.table import Column, Table

_GAP = 2
_MAX_GROUP_CELLS = 20
_MAX_GROUPS = 8
_DAYS = ("day", "week")
_MAX_EMPTY = 3  # bars without events, one after the other; more are one line
_EVENTS, _OTHER, _MISSING = "EVENTS", "(other)", "(none)"
_TIME_CELLS = len("2026-10-20 00:00:00+02:00")


def statistics_lines(counts: Counts, zone: tzinfo, screen: Screen) -> Iterator[str]:
    """Yield the bars, the oldest first, then the total and whether it is complete."""
    names = [name for name, _ in named_values(counts)]
    grouped = any(each.groups is not None for each in counts.bars)
    lines = _grouped(counts, names, zone, screen) if grouped else _plain(counts, zone, screen)
    yield from lines
    yield total_line(counts, zone)
    if not counts.complete:
        yield incomplete(counts.covered.start, counts.covered.end)


def total_line(counts: Counts, zone: tzinfo) -> str:
    """Return the total of what was counted, with the whole window."""
    window = f"{_instant(counts.start, zone)} to {_instant(counts.end, zone)} {_name(zone)}"
    return f"{number(counts.total)} in all, from {window}, by {counts.interval}"


def incomplete(start: str, end: str) -> str:
    """Return what is said of counts that are not complete."""
    return f"NOT YET COMPLETE: this counts the events from {start} to {end} only"


def _plain(counts: Counts, zone: tzinfo, screen: Screen) -> Iterator[str]:
    most = max((each.count for each in counts.bars), default=0)
    digits = max(len(number(most)), len(_EVENTS))
    cells = cells_beside(screen.columns, _TIME_CELLS + digits + 2 * _GAP)
    rows = [
        (_label(run, counts.interval, zone), _events(run), bar(run[0].count, most, cells))
        for run in _runs(counts.bars)
    ]
    columns = [
        Column(f"FROM ({_name(zone)})", DIM, whole=True),
        Column(_EVENTS, right=True, whole=True),
        Column("", CYAN),
    ]
    return Table(columns, screen).lines(rows)


def _grouped(counts: Counts, names: Sequence[str], zone: tzinfo, screen: Screen) -> Iterator[str]:
    shown = _fitting(names, counts, screen)
    titles = [cut(escaped(name), _MAX_GROUP_CELLS) for name in shown]
    columns = [
        Column(f"FROM ({_name(zone)})", DIM, whole=True),
        Column(_EVENTS, right=True, whole=True),
        *(Column(title, right=True, whole=True) for title in (*titles, _OTHER, _MISSING)),
    ]
    rows = [
        [_label(run, counts.interval, zone), _events(run), *_cells(run, shown)]
        for run in _runs(counts.bars)
    ]
    return Table(columns, screen).lines(rows)


def _runs(bars: Sequence[Bar]) -> Iterator[Sequence[Bar]]:
    """Yield each bar alone, and many bars without events together."""
    for is_empty, found in groupby(bars, lambda each: each.count == 0):
        run = list(found)
        yield from [run] if is_empty and len(run) > _MAX_EMPTY else [[each] for each in run]


def _label(run: Sequence[Bar], interval: str, zone: tzinfo) -> str:
    if len(run) > 1:
        return f"({len(run):,} bars without events)"
    shown = _instant(run[0].at, zone)
    return shown[:10] if interval in _DAYS and _at(run[0].at, zone).time() == time.min else shown


def _events(run: Sequence[Bar]) -> str:
    return number(run[0].count) if len(run) == 1 else ""


def _cells(run: Sequence[Bar], shown: Sequence[str]) -> list[str]:
    """Return the counts of the shown values, of all others, and of none. Their sum is exact."""
    each, *more = run
    if more:
        return [""] * (len(shown) + 2)
    if each.groups is None:
        return [number(0)] * (len(shown) + 2)
    by_value = {value.value: value.count for value in each.groups.values}
    own = [by_value.get(name, 0) for name in shown]
    others = sum(by_value.values()) - sum(own) + each.groups.other
    return [number(count) for count in (*own, others, each.groups.missing)]


def _fitting(names: Sequence[str], counts: Counts, screen: Screen) -> Sequence[str]:
    """Return the most frequent values that have room; the rest is counted as other."""
    if screen.columns is None:
        return names[:_MAX_GROUPS]
    digits = len(number(max((each.count for each in counts.bars), default=0)))
    taken = _TIME_CELLS + max(digits, len(_EVENTS)) + _GAP
    taken += sum(max(digits, len(title)) + _GAP for title in (_OTHER, _MISSING))
    fitting = []
    for name in names[:_MAX_GROUPS]:
        taken += max(digits, min(width(escaped(name)), _MAX_GROUP_CELLS)) + _GAP
        if taken > screen.columns:
            break
        fitting.append(name)
    return fitting


def _instant(text: str, zone: tzinfo) -> str:
    """Return an instant; with its offset if that may change, as an hour may come twice."""
    shown = _at(text, zone).isoformat(" ", "seconds")
    return shown.removesuffix("+00:00") if zone is UTC else shown


def _at(text: str, zone: tzinfo) -> datetime:
    return datetime.fromisoformat(text).astimezone(zone)


def _name(zone: tzinfo) -> str:
    return getattr(zone, "key", "UTC")
