"""The commands that the README shows."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Each block of code in that language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def spans() -> Iterator[str]:
    """What stands between backquotes in the text."""
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))


def commands(program: str) -> list[list[str]]:
    """The arguments of each call of a program that is shown, in a block or in the text."""
    lines = [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    calls = [re.search(rf"(?:^|\| ){re.escape(program)} (.*)", one) for one in (*lines, *spans())]
    return [shlex.split(call[1].partition(" | ")[0], comments=True) for call in calls if call]
