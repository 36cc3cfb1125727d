"""A check, its finding, and its verdict. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from cli.doctor.subject import Subject


class Verdict(StrEnum):
    """The result of a check, from the worst to the best."""

    FAULT = "fault"
    WARNING = "warning"
    UNKNOWN = "unknown"
    OK = "ok"


@dataclass(frozen=True)
class Finding:
    """What a check found: a sentence with the figure, and what to do, empty for nothing."""

    verdict: Verdict
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """One check. `warns` and `faults` say from when; an empty one means never.

    `examine` may raise `NotKnown`.
    """

    name: str
    looks_at: str
    warns: str
    faults: str
    examine: Callable[[Subject], Finding]


def ok(text: str) -> Finding:
    """Return a finding that asks for nothing."""
    return Finding(Verdict.OK, text)


def warning(text: str, remedy: str) -> Finding:
    """Return a finding that an operator should look at."""
    return Finding(Verdict.WARNING, text, remedy)


def fault(text: str, remedy: str) -> Finding:
    """Return a finding that harms the service now, or will soon."""
    return Finding(Verdict.FAULT, text, remedy)


def unknown(text: str, remedy: str = "") -> Finding:
    """Return a finding for what can't be read; the text says why."""
    return Finding(Verdict.UNKNOWN, text, remedy)
