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


def section(heading: str) -> list[str]:
    """Return the lines of the blocks of shell commands below a heading, until the next one."""
    (found,) = re.findall(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    return [line for block in _blocks(found) for line in block.splitlines()]


def _lines() -> Iterator[list[str]]:
    for block in _blocks(PAGE.read_text()):
        yield from (words for line in block.splitlines() if (words := shlex.split(line, True)))


def _blocks(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
