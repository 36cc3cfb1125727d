"""Who is let in, and which keys end soon."""

import shlex
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.doctor.check import Verdict
from cli.doctor.subject import RunFacts
from cli.main import parser
from storage.access.api_key import Scope
from tests.support import doctor_bench
from tests.support.doctor_bench import Bench

OK, WARNING, FAULT, UNKNOWN = Verdict.OK, Verdict.WARNING, Verdict.FAULT, Verdict.UNKNOWN

bench = doctor_bench.bench


def test_keys_that_end_later_or_were_revoked_or_rotated_are_right(bench: Bench) -> None:
    now = datetime.now(UTC)
    bench.add_key(key_id="aaaaaaaa")
    bench.add_key(key_id="bbbbbbbb", expires_at=now + timedelta(days=30))
    bench.add_key(key_id="cccccccc", expires_at=now - timedelta(days=30))
    bench.add_key(key_id="dddddddd", expires_at=now + timedelta(days=1), revoked_at=now)
    found = bench.examine()["keys-expiry"]
    assert found.verdict == Verdict.OK
    assert found.text.startswith("2 valid API keys, ")


def test_the_remedy_of_an_expired_key_makes_one_like_it_and_ends_the_warning(
    bench: Bench,
) -> None:
    now = datetime.now(UTC)
    grants: dict[str, Any] = {
        "scopes": frozenset({Scope.READ, Scope.WRITE}),
        "components": ("auth", "pay-*"),
        "environments": ("prod",),
        "events_per_second": 5000,
        "events_per_day": 1_000_000,
        "origins": ("https://app.example.com",),
    }
    bench.add_key(name="Team Zürich, nightly", expires_at=now - timedelta(hours=2), **grants)
    found = bench.examine()["keys-expiry"]
    assert found.verdict == WARNING
    assert "rotate" not in found.remedy
    assert "revoke" not in found.remedy
    command = found.remedy.removeprefix("if somebody needs it: ").partition(", with --expires")[0]
    words = shlex.split(command)
    assert words[:3] == ["activity", "keys", "create"]
    options = parser().parse_args(words[1:])
    assert frozenset(options.scope) == {"read", "write"}
    assert (tuple(options.component), tuple(options.environment)) == (("auth", "pay-*"), ("prod",))
    assert (options.rate, options.daily) == (5000, 1_000_000)
    assert tuple(options.origin) == grants["origins"]
    bench.add_key(key_id="bbbbbbbb", name=options.name, **grants)
    assert bench.examine()["keys-expiry"].verdict == OK


def test_an_expired_key_is_named_for_a_day(bench: Bench) -> None:
    bench.add_key(expires_at=datetime.now(UTC) - timedelta(hours=25))
    assert bench.examine()["keys-expiry"].verdict == OK


@pytest.mark.parametrize(
    ("auth", "host", "key", "verdict", "words"),
    [
        ("auto", "127.0.0.1", None, OK, "lets in this machine until the first API key exists"),
        ("auto", "::1", None, OK, "lets in this machine"),
        ("auto", "0.0.0.0", None, FAULT, "listens on 0.0.0.0, and there is no API key"),
        ("auto", "", None, UNKNOWN, "there is no API key, and where the API listens is not known"),
        ("auto", "0.0.0.0", "valid", OK, "requests need one of 1 valid API key"),
        ("auto", "127.0.0.1", "ended", WARNING, "none is valid: all are refused"),
        ("required", "127.0.0.1", None, WARNING, "none is valid: all are refused"),
        ("required", "", "valid", OK, "requests need one of 1 valid"),
        ("open", "127.0.0.1", "valid", WARNING, "ACTIVITY_AUTH=open lets in everyone"),
        ("open", "", None, WARNING, "where the API listens is not known here"),
        ("open", "10.0.0.7", "valid", FAULT, "without a key; the API listens on 10.0.0.7"),
    ],
)
def test_who_is_let_in(
    bench: Bench, auth: str, host: str, key: str | None, verdict: Verdict, words: str
) -> None:
    bench.environment = {"ACTIVITY_AUTH": auth, **({"ACTIVITY_HOST": host} if host else {})}
    if key:
        days = 30 if key == "valid" else -30
        bench.add_key(expires_at=datetime.now(UTC) + timedelta(days=days))
    found = bench.examine()["keys-needed"]
    assert (found.verdict, words in found.text) == (verdict, True), found
    assert ("activity keys create" in found.remedy) == (verdict != OK)


@pytest.mark.parametrize(
    ("environment", "verdict"),
    [
        ({"ACTIVITY_HOST": "127.0.0.1"}, OK),
        ({"ACTIVITY_HOST": "0.0.0.0"}, WARNING),
        ({"ACTIVITY_HOST": "0.0.0.0", "ACTIVITY_AUTH": "open"}, OK),
        ({"ACTIVITY_HOST": "0.0.0.0", "ACTIVITY_TLS_CERT": "a.pem", "ACTIVITY_TLS_KEY": "b"}, OK),
        ({}, UNKNOWN),
    ],
)
def test_keys_in_plain_http_between_machines_are_told(
    bench: Bench, environment: dict[str, str], verdict: Verdict
) -> None:
    bench.environment = environment
    found = bench.examine()["keys-in-clear"]
    assert found.verdict == verdict, found
    assert ("proxy with TLS" in found.remedy) == (verdict == WARNING)


def test_the_address_of_the_run_counts_before_the_setting(bench: Bench) -> None:
    bench.run = RunFacts(bench.servers.servers.layout.root, "http://0.0.0.0:5000", [("api", 1)])
    found = bench.examine()["keys-needed"]
    assert (found.verdict, "0.0.0.0" in found.text) == (FAULT, True)


def test_a_home_that_can_t_be_read_leaves_it_unknown_whether_there_is_a_key(bench: Bench) -> None:
    bench.change(queue_url="unix:///nonexistent/queue.sock")
    found = bench.examine()
    assert found["keys-needed"].verdict == UNKNOWN
    assert found["keys-expiry"].verdict == UNKNOWN


def test_the_remedy_for_records_that_can_not_be_read_names_each_of_the_first(bench: Bench) -> None:
    names = [f"broken{number}" for number in range(7)]
    bench.queue.hset("keys", mapping=dict.fromkeys(names, "no record"))
    found = bench.examine()["keys-expiry"]
    assert found.verdict == FAULT
    assert found.text.startswith("7 records of API keys")
    assert found.remedy.endswith(f" HDEL keys {' '.join(names[:5])}")
