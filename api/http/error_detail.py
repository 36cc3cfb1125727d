"""One thing that is wrong with a request."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """What is wrong, and where: a JSON pointer into the body, a parameter, or a header."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None
