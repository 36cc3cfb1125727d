"""What standard output is: a terminal with a width and colours, or a file or a pipe."""

import shutil
import sys
from dataclasses import dataclass

from cli.settings import wants_colour

_RESET = "\x1b[0m"
BOLD, DIM, CYAN, GREEN = "\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[32m"
_FALLBACK = (80, 24)
_MIN_COLUMNS = 20


@dataclass(frozen=True)
class Screen:
    """Where a table goes. `columns`: the width of a terminal, None for a file or a pipe."""

    columns: int | None = None
    colour: bool = False

    @property
    def is_terminal(self) -> bool:
        """Return whether people read it as it is written."""
        return self.columns is not None

    def painted(self, text: str, style: str) -> str:
        """Return the text in this style, if there are colours."""
        return f"{style}{text}{_RESET}" if style and self.colour and text.strip() else text


def screen() -> Screen:
    """Return what standard output is now."""
    if not sys.stdout.isatty():
        return Screen()
    columns = shutil.get_terminal_size(_FALLBACK).columns
    return Screen(max(columns, _MIN_COLUMNS), wants_colour())
