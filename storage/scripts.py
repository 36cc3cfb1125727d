"""The Lua scripts, each a file of its own with its legend, each one atomic step."""

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "lua"


@cache
def source(name: str) -> str:
    """The text of `lua/<name>.lua`, with the `common.lua` of its folder put behind its first line.

    Names: `queue/append`, `cache/lookup` and so on.
    """
    script = _FOLDER / f"{name}.lua"
    first, rest = script.read_text().split("\n", 1)
    return f"{first}\n{script.with_name('common.lua').read_text()}{rest}"
