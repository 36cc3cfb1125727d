"""No check can end the command, whatever the servers answer; and none shows a secret."""

import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.doctor.catalogue import CHECKS, OF_SERVER
from cli.doctor.check import Check, Verdict
from cli.doctor.errors import NotKnown
from cli.doctor.examination import examine, examine_one
from cli.doctor.report import as_document, as_text
from cli.doctor.subject import open_subject
from storage.errors import QueueUnavailable
from storage.settings import StorageSettings

SECRET = "p%61ssw/rd"
QUOTED = "p%2561ssw%2Frd"
TOKEN = "act_0aZ9bY8c_" + "x" * 38
SETTINGS = StorageSettings(
    queue_url=f"redis://user:{QUOTED}@127.0.0.1:1/0",
    control_url="redis://127.0.0.1:1/0",
    database_url=f"postgresql+psycopg2://user:{QUOTED}@127.0.0.1:1/a",
    _env_file=None,
)
ERRORS = [
    RuntimeError(f"can't use redis://user:{QUOTED}@127.0.0.1:1/0 ({SECRET})"),
    QueueUnavailable(f"password {SECRET} is wrong; key {TOKEN}"),
    NotKnown(f"refused: AUTH user {SECRET}"),
    KeyError(SECRET),
    RecursionError(),
    OSError(28, "No space left on device", f"/{SECRET}"),
]


class Failing:
    """An object of which everything fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        if name == "settings":
            return SETTINGS
        if name in ("queue", "control", "database", "worker", "machine"):
            return self
        if name == "away":
            return ""
        raise self._error


class Answering:
    """Facts that are all the same value, whatever kind of value they should be."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __getattr__(self, name: str) -> Any:
        if name == "settings":
            return SETTINGS
        if name in ("queue", "control", "database", "worker", "machine"):
            return self
        if name in ("command", "activity"):
            return lambda *words: " ".join(words)
        return self._value


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_a_check_raises_is_unknown_and_shows_no_secret(error: Exception) -> None:
    subject: Any = Failing(error)
    results = examine(subject, seconds=30)
    assert [each.check for each in results] == list(CHECKS)
    assert {each.finding.verdict for each in results} == {Verdict.UNKNOWN}
    assert all(each.finding.text for each in results)
    said = json.dumps(as_document(results, "1")) + as_text(results)
    assert not any(secret in said for secret in (SECRET, QUOTED, TOKEN))


VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.lists(st.integers() | st.text()),
    st.dictionaries(st.text(), st.integers()),
    st.just(Answering(1)),
    st.just(lambda *_: "no"),
    st.just(lambda *_: 0),
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
@given(value=VALUES)
def test_no_check_raises_whatever_it_is_told(check: Check, value: Any) -> None:
    finding = examine_one(check, Answering(value))  # type: ignore[arg-type]
    assert finding.text
    assert bool(finding.remedy) or finding.verdict in (Verdict.OK, Verdict.UNKNOWN)


def test_servers_that_are_away_are_faults_and_nothing_of_them_is_right() -> None:
    with open_subject(SETTINGS) as subject:
        found = {each.check.name: each.finding for each in examine(subject)}
    for role, checks in OF_SERVER.items():
        assert found[f"{role}-answers"].verdict == Verdict.FAULT
        others = {each.name for each in checks} - {f"{role}-answers"}
        assert {found[name].verdict for name in others} == {Verdict.UNKNOWN}
    assert SECRET not in str(found)
    assert QUOTED not in str(found)


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    with open_subject(SETTINGS) as subject:
        monkeypatch.setattr(subject.queue, "ping", stop.wait)
        found = {each.check.name: each.finding for each in examine(subject, seconds=5)}
    stop.set()
    assert found["queue-answers"].verdict == Verdict.FAULT
    assert found["queue-answers"].text == "the queue does not answer: no answer within 5 s"
    assert found["queue-aof"].verdict == Verdict.UNKNOWN
    assert found["control-answers"].text.startswith("control does not answer: ")


def test_a_server_that_goes_away_during_the_examination_is_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open_subject(SETTINGS) as subject:
        monkeypatch.setattr(subject.queue, "ping", lambda: None)
        found = {each.check.name: each.finding for each in examine(subject)}
    assert found["queue-answers"].verdict == Verdict.FAULT
    assert found["queue-answers"].text.startswith("the queue does not answer: ")
    assert found["queue-aof"].verdict == Verdict.UNKNOWN


def test_each_check_has_a_name_of_its_own_and_says_when_it_speaks() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    for check in CHECKS:
        assert check.looks_at
        assert check.warns or check.faults
