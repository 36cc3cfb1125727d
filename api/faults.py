"""One thing that is wrong with a request."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and where: a JSON pointer into the body, or a parameter of the query."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None
