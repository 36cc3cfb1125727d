"""Bars of a length in proportion to counts. Pure."""

_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"
MAX_CELLS = 50
MIN_CELLS = 10


def bar(count: int, most: int, cells: int) -> str:
    """Return a bar; the count `most` fills all cells. Only 0 has no bar at all."""
    if count <= 0 or most <= 0:
        return ""
    eighths = max(1, count * cells * 8 // most)
    full, rest = divmod(eighths, 8)
    return _FULL * full + (_EIGHTHS[rest] if rest else "")


def cells_beside(columns: int | None, taken: int) -> int:
    """Return how many cells bars get on a line of which so many are taken; 0 for too few."""
    left = MAX_CELLS if columns is None else min(columns - taken, MAX_CELLS)
    return left if left >= MIN_CELLS else 0
