"""Tables that fit the width of a terminal. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cli.display_width import cut, width
from cli.query.screen import BOLD, Screen

_GAP = "  "
_MIN_CELLS = 8  # the least that a column is cut to, while another can still give way
_MIN_LAST = 30  # what the last column gets before the others give way
_MAX_UNBOUNDED = 40  # in a file or a pipe a longer value moves the rest of its row


@dataclass(frozen=True)
class Column:
    """A column. `right`: aligned to the right. `whole`: cut only if nothing else is left.

    `cells`: what it gets for later rows, even if the first rows need less.
    """

    title: str
    style: str = ""
    right: bool = False
    whole: bool = False
    cells: int = 0


class Table:
    """Rows below a heading. The widths are those of the first rows, and stay for all others."""

    def __init__(self, columns: Sequence[Column], screen: Screen) -> None:
        self._columns = columns
        self._screen = screen
        self._widths: list[int] = []

    def lines(self, rows: Sequence[Sequence[str]]) -> Iterator[str]:
        """Yield the rows, and before the first of them the heading. The texts are escaped."""
        if not self._widths:
            titles = [column.title for column in self._columns]
            self._widths = self._fitted([titles, *rows])
            yield self._line(titles, is_heading=True)
        for row in rows:
            yield self._line(row)

    def _fitted(self, rows: Sequence[Sequence[str]]) -> list[int]:
        columns = zip(zip(*rows, strict=True), self._columns, strict=True)
        natural = [max(column.cells, *map(width, cells)) for cells, column in columns]
        if self._screen.columns is None:
            return [min(cells, _MAX_UNBOUNDED) for cells in natural]
        room = self._screen.columns - len(_GAP) * (len(natural) - 1)
        fixed = [column.whole for column in self._columns]
        found = fitted(natural, fixed, room)
        if not self._columns[-1].right:
            found[-1] += room - sum(found)
        return found

    def _line(self, row: Sequence[str], is_heading: bool = False) -> str:
        cells = zip(row, self._columns, self._widths, strict=True)
        last = len(row) - 1
        parts = [
            self._cell(text, column, cells, index == last, is_heading)
            for index, (text, column, cells) in enumerate(cells)
            if cells > 0
        ]
        return _GAP.join(parts).rstrip()

    def _cell(self, text: str, column: Column, cells: int, is_last: bool, is_heading: bool) -> str:
        shown = text if self._screen.columns is None else cut(text, cells)
        style = BOLD if is_heading else column.style
        spaces = " " * (cells - width(shown))
        painted = self._screen.painted(shown, style)
        if column.right:
            return spaces + painted
        return painted if is_last else painted + spaces


def fitted(natural: Sequence[int], fixed: Sequence[bool], room: int) -> list[int]:
    """Return widths that sum up to `room` at most: the last column gives way, then the widest.

    Columns that are `fixed` give way last, from the right.
    """
    cells = list(natural)
    over = sum(cells) - room
    if not fixed[-1]:
        over -= _narrow(cells, len(cells) - 1, _MIN_LAST, over)
    loose = [index for index in range(len(cells)) if not fixed[index]]
    while over > 0 and loose and max(cells[index] for index in loose) > _MIN_CELLS:
        widest = max(loose, key=lambda index: cells[index])
        over -= _narrow(cells, widest, cells[widest] - 1, over)
    for index in reversed(range(len(cells))):
        over -= _narrow(cells, index, 0, over)
    return cells


def _narrow(cells: list[int], index: int, least: int, over: int) -> int:
    """Take up to `over` cells from a column, down to `least`; return how many it gave."""
    given = max(0, min(over, cells[index] - least))
    cells[index] -= given
    return given
