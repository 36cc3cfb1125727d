"""The commands of docs/operations.md."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/operations.md"


def commands(program: str) -> list[list[str]]:
    """Return the words after each use of a program in a block of shell commands."""
    return [words[1:] for words in _lines() if words[0] == program]


def programs() -> set[str]:
    """Return every program that a block of shell commands uses."""
    return {words[0] for words in _lines()}


def _lines() -> Iterator[list[str]]:
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        yield from map(shlex.split, block.splitlines())
