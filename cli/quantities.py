"""How the command writes counts, sizes and durations for people. Pure."""

from collections.abc import Sequence

UNKNOWN = "unknown"
_UNITS = ("bytes", "KiB", "MiB", "GiB")


def number(count: float | None) -> str:
    """Return a whole number with thousands separators; None is unknown."""
    return UNKNOWN if count is None else f"{count:,.0f}"


def counted(count: float | None, singular: str, plural: str | None = None) -> str:
    """Return `1 event`, `2,000 events` or `unknown`; the plural is the singular with an `s`."""
    if count is None:
        return UNKNOWN
    return f"{number(count)} {noun(count, singular, plural)}"


def noun(count: float, singular: str, plural: str | None = None) -> str:
    """Return the form of the noun that fits the count as `number` writes it."""
    return singular if round(count) == 1 else plural or f"{singular}s"


def duration(seconds: float | None) -> str:
    """Return a duration in its two largest units; None is unknown."""
    if seconds is None:
        return UNKNOWN
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days:,} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def size(count: int | None) -> str:
    """Return a number of bytes in its largest unit; None is unknown."""
    if count is None:
        return UNKNOWN
    scaled, unit = float(count), 0
    while scaled >= 1024 and unit < len(_UNITS) - 1:
        scaled, unit = scaled / 1024, unit + 1
    return f"{scaled:,.1f} {_UNITS[unit]}" if unit else counted(count, "byte")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return the rows as lines, in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
