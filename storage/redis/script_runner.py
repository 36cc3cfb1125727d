"""The Lua scripts, each a file of its own with its legend, each one atomic step."""

from functools import cache
from pathlib import Path

_STORAGE = Path(__file__).parents[1]


@cache
def source(name: str) -> str:
    """The text of a script, with the `common.lua` of its folder put behind its first line.

    `queue/append` is `queue/lua/append.lua`, and so on.
    """
    package, script_name = name.split("/")
    script = _STORAGE / package / "lua" / f"{script_name}.lua"
    first, rest = script.read_text().split("\n", 1)
    return f"{first}\n{script.with_name('common.lua').read_text()}{rest}"
