"""Read the commands of the README."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the code blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def spans() -> Iterator[str]:
    """Return the texts in backticks, outside of code blocks."""
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))


def commands(program: str) -> list[list[str]]:
    """Return the arguments of each call of a program, in a block or in the text."""
    lines = [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    calls = [re.search(rf"(?:^|\| ){re.escape(program)} (.*)", one) for one in (*lines, *spans())]
    return [shlex.split(call[1].partition(" | ")[0], comments=True) for call in calls if call]
