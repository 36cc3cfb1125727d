"""Run every check: each server in a thread of its own, and none for longer than its limit."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cli.doctor.catalogue import CHECKS, OF_SERVER, SHARED
from cli.doctor.check import Check, Finding, fault, unknown
from cli.doctor.errors import NotKnown
from cli.doctor.server_checks import ANSWERS, ROLES, remedy_of, server_of
from cli.doctor.subject import Subject
from storage.failures import reason
from storage.logs.one_line import one_line
from storage.logs.redaction import redact

LIMIT_SECONDS = 30.0  # for all questions to one server, and again for the checks that compare


@dataclass(frozen=True)
class Result:
    """A check and what it found."""

    check: Check
    finding: Finding


def examine(subject: Subject, seconds: float = LIMIT_SECONDS) -> list[Result]:
    """Run every check, and return the results in the order of the catalogue. Never raises."""
    findings: dict[str, Finding] = {}
    rounds = [_Round(role, checks, subject) for role, checks in OF_SERVER.items()]
    for rounds_at_once in (rounds, [_Round("", SHARED, subject)]):
        deadline = time.monotonic() + seconds
        for each in rounds_at_once:
            each.start()
        for each in rounds_at_once:
            findings |= each.finish(deadline, f"no answer within {seconds:g} s")
    findings |= _away(subject)
    return [Result(check, _shown(findings[check.name])) for check in CHECKS]


def examine_one(check: Check, subject: Subject) -> Finding:
    """Run one check. Whatever it raises becomes the verdict unknown."""
    try:
        return check.examine(subject)
    except NotKnown as error:
        return unknown(str(error))
    except Exception as error:  # noqa: BLE001 - one check must not end the others
        return unknown(f"this check failed: {reason(error)}")


class _Round(threading.Thread):
    """Runs checks one after the other. A daemon: a server may never answer."""

    def __init__(self, role: str, checks: Sequence[Check], subject: Subject) -> None:
        super().__init__(name=f"doctor {role}", daemon=True)
        self._role = role
        self._checks = checks
        self._subject = subject
        self._findings: dict[str, Finding] = {}

    def run(self) -> None:
        for check in self._checks:
            self._findings[check.name] = examine_one(check, self._subject)

    def finish(self, deadline: float, late: str) -> Mapping[str, Finding]:
        """Wait for the checks, and return a finding for each; `late` for those not done by then."""
        self.join(max(0.0, deadline - time.monotonic()))
        done = dict(self._findings)
        if self.is_alive() and self._role:
            server = server_of(self._subject, self._role)
            server.give_up(f"{server.name} does not answer: {late}")
        return {each.name: done.get(each.name) or unknown(late) for each in self._checks}


def _away(subject: Subject) -> Iterator[tuple[str, Finding]]:
    """Yield a fault for each server that is away, also if it has answered at first."""
    for role in ROLES:
        if away := server_of(subject, role).away:
            yield f"{role}-{ANSWERS}", fault(away, remedy_of(subject, role))


def _shown(finding: Finding) -> Finding:
    """Return the finding as it may be shown: one line without secrets, whatever a server says."""
    return replace(finding, text=_line(finding.text), remedy=_line(finding.remedy))


def _line(text: str) -> str:
    return redact(one_line(text))
