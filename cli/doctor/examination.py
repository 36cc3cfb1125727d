"""Run every check: each server in a thread of its own, and none for longer than its limit."""

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cli.doctor.catalogue import CHECKS, OF_SERVER, SHARED
from cli.doctor.check import Check, Finding, NotKnown, fault, unknown
from cli.doctor.redaction import Redactor, secrets_of
from cli.doctor.server_checks import ANSWERS, remedy_of, server_of
from cli.doctor.subject import Subject
from storage.failures import reason
from storage.settings import StorageSettings

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
    for each in rounds:
        each.start()
    for each in rounds:
        findings |= each.finish(seconds)
    last = _Round("", SHARED, subject)
    last.start()
    findings |= last.finish(seconds)
    redact = _redactor(subject.settings)
    return [Result(check, _redacted(findings[check.name], redact)) for check in CHECKS]


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

    def finish(self, seconds: float) -> Mapping[str, Finding]:
        """Wait for the checks, and return a finding for each of them."""
        self.join(seconds)
        done = dict(self._findings)
        late = f"no answer within {seconds:g} s"
        if self.is_alive() and self._role:
            server_of(self._subject, self._role).give_up(late)
        return {each.name: done.get(each.name) or self._late(each, late) for each in self._checks}

    def _late(self, check: Check, why: str) -> Finding:
        if check.name != f"{self._role}-{ANSWERS}":
            return unknown(why)
        name = server_of(self._subject, self._role).name
        return fault(f"{name} does not answer: {why}", remedy_of(self._subject, self._role))


def _redacted(finding: Finding, redact: Redactor) -> Finding:
    return replace(finding, text=redact(finding.text), remedy=redact(finding.remedy))


def _redactor(settings: StorageSettings) -> Redactor:
    urls = (settings.queue_url, settings.control_url, settings.database_url)
    secrets = secrets_of(urls, os.environ)
    for password in (settings.queue_password, settings.control_password):
        if password is not None:
            secrets.add(password.get_secret_value())
    return Redactor(secrets)
