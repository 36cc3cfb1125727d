"""Tables fit the terminal; in a file nothing is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.display_width import width
from cli.query.bars import bar
from cli.query.screen import Screen
from cli.query.table import Column, Table, fitted

COLUMNS = (Column("TIME", whole=True), Column("NAME"), Column("MESSAGE"))
ROWS = [("12:00", "支払いサービス", "x" * 100), ("12:01", "web", "short")]


@pytest.mark.parametrize("columns", range(20, 160, 7))
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    lines = list(Table(COLUMNS, Screen(columns)).lines(ROWS))
    assert len(lines) == 3
    assert all(width(line) <= columns for line in lines)


def test_columns_begin_at_the_same_cell() -> None:
    heading, wide, narrow = Table(COLUMNS, Screen(60)).lines(ROWS)
    at = heading.index("MESSAGE")
    assert width(wide[: wide.index("x")]) == at
    assert width(narrow[: narrow.index("short")]) == at


def test_in_a_pipe_nothing_is_cut() -> None:
    _, wide, _ = Table(COLUMNS, Screen()).lines(ROWS)
    assert wide.endswith("  " + "x" * 100)


def test_the_widths_of_the_first_rows_stay() -> None:
    table = Table(COLUMNS, Screen(60))
    heading, *_ = table.lines(ROWS)
    (later,) = table.lines([("12:02", "a much longer name than before", "m")])
    assert later == f"{'12:02':<7}{'a much longer…':<{heading.index('MESSAGE') - 7}}m"


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1), st.integers(0, 200))
def test_widths_fit_the_room_and_never_grow(columns: list[tuple[int, bool]], room: int) -> None:
    natural = [cells for cells, _ in columns]
    found = fitted(natural, [fixed for _, fixed in columns], room)
    assert sum(found) <= max(room, 0)
    assert all(0 <= after <= before for after, before in zip(found, natural, strict=True))
    if sum(natural) <= room:
        assert found == natural


@given(st.integers(0, 10**12), st.integers(1, 10**12), st.integers(10, 50))
def test_a_bar_is_in_proportion_and_only_zero_has_none(count: int, most: int, cells: int) -> None:
    shown = bar(min(count, most), most, cells)
    assert (shown == "") == (count == 0)
    assert len(shown) <= cells
    assert bar(most, most, cells) == "█" * cells
