"""One error in a request."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """What is wrong and where: at a JSON pointer into the body, in a parameter, or in a header.

    `character` counts the characters of the parameter's value from 1. `excerpt` shows the line with
    that character, and a second line with a caret under it.
    """

    detail: str
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None
    character: int | None = None
    excerpt: str | None = None
