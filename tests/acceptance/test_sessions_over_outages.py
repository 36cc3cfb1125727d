"""Sessions over a restart, without control, and at their end: signed in, told why not, or over."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic, time
from typing import NamedTuple

import pytest

from storage.access.api_key import Scope
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.keys import client, new_key, put_on_queue
from tests.support.problems import problem
from tests.support.raw_http import Raw, request
from tests.support.relayed import RelayedServers, relayed_servers
from tests.support.sessions import SignedIn, cookie_of, fresh, post_key, sign_in, status

LAST_CHUNK = b"\r\n0\r\n\r\n"
NOBODY = {"needs_key": True, "key": None, "is_session": False, "until": None}
SHORT_SECONDS = 3
KEY_SECONDS = 5
ALL = new_key()
EVENT = {"component": "orders", "environment": "production", "message": "shipped"}


class Bench(NamedTuple):
    """A service, another process whose sessions are short, and the servers of both."""

    running: Service
    short: Service
    servers: RelayedServers


@pytest.fixture(scope="module")
def bench(servers: TestServers) -> Iterator[Bench]:
    with servers.fresh() as settings, relayed_servers(settings) as relayed:
        put_on_queue(settings, ALL)
        with (
            _service(relayed.settings) as running,
            _service(relayed.settings, session_seconds=SHORT_SECONDS) as short,
        ):
            yield Bench(running, short, relayed)


@contextmanager
def _service(settings: StorageSettings, session_seconds: int = 43_200) -> Iterator[Service]:
    with service(settings, workers=0, auth="required", session_seconds=session_seconds) as running:
        yield running


@contextmanager
def away(bench: Bench) -> Iterator[None]:
    bench.servers.take_away("control")
    try:
        yield
    finally:
        bench.servers.bring_back("control")


def whoever(running: Service, session: SignedIn) -> object:
    return fresh(running, "GET", "/session", session.headers).json()


def is_over(running: Service, session: SignedIn) -> bool:
    return status(running, "/events", session) == 401


def test_who_is_signed_in_stays_so_over_a_kill_and_a_restart(bench: Bench) -> None:
    running, session = bench.running, sign_in(bench.running, ALL)
    before = whoever(running, session)
    [api] = running.apis
    api.kill()
    api.wait(60)
    running.apis.clear()
    running.start_api()
    wait_until(lambda: running.answers("/health/ready"), "the next process")
    assert status(running, "/events", session) == 200
    assert whoever(running, session) == before
    assert fresh(running, "DELETE", "/session", session.headers).status_code == 204
    assert is_over(running, session)


def test_while_control_is_away_a_session_is_refused_with_the_reason_and_a_key_is_not(
    bench: Bench,
) -> None:
    running, session = bench.running, sign_in(bench.running, ALL)
    with away(bench):
        for method, path in (
            ("GET", "/events"),
            ("GET", "/events/tail"),
            ("GET", "/session"),
            ("GET", "/admin/keys"),
            ("POST", "/events"),
            ("POST", "/admin/dead-letters/discard"),
            ("DELETE", "/session"),
        ):
            answer = fresh(running, method, path, session.headers)
            assert "control does not answer" in problem(answer, 503)["detail"], path
            assert int(answer.headers["retry-after"]) > 0
            assert "set-cookie" not in answer.headers  # the browser keeps the session
        refused = post_key(running, ALL.token)
        assert problem(refused, 503)
        assert "set-cookie" not in refused.headers
        assert "dependencies" not in fresh(running, "GET", "/health/ready", session.headers).json()
        with client(running, ALL) as http:
            assert http.get("/events").status_code == 200
            assert http.post("/events", json=EVENT).status_code == 202
            assert http.get("/session").json()["key"]["id"] == ALL.key.id
    wait_until(lambda: status(running, "/events", session) == 200, "control to be there again")
    assert fresh(running, "DELETE", "/session", session.headers).status_code == 204
    assert is_over(running, session)


def in_use(running: Service, token: str) -> SignedIn | None:
    """Sign in, and return the session if it is still there at the next request."""
    answer = post_key(running, token)
    if answer.status_code != 200:
        return None
    session = cookie_of(answer)
    return session if status(running, "/events", session) == 200 else None


def test_a_short_session_ends_by_the_clock_with_what_is_sent_to_it(bench: Bench) -> None:
    began = time()
    session = wait_until(lambda: in_use(bench.short, ALL.token), "a session that is in use")
    assert session is not None
    [max_age] = [each for each in session.attributes if each.startswith("Max-Age=")]
    assert 0 < int(max_age.partition("=")[2]) <= SHORT_SECONDS + 1
    with Raw(bench.short) as raw:
        raw.send(request(b"", b"GET", b"/events/tail", b"Cookie: " + session.cookie.encode()))
        received, deadline = raw.socket.recv(65_536), monotonic() + 60
        while received.startswith(b"HTTP/1.1 200") and not received.endswith(LAST_CHUNK):
            assert monotonic() < deadline
            received += raw.socket.recv(65_536)
    wait_until(lambda: is_over(bench.short, session), "the session to end")
    assert time() > began + SHORT_SECONDS - 1
    for running in (bench.short, bench.running):  # it is over in every process
        problem(fresh(running, "GET", "/events", session.headers), 401)
        assert whoever(running, session) == NOBODY
    assert fresh(bench.short, "DELETE", "/session", session.headers).status_code == 204


def session_of_a_key_that_expires(bench: Bench) -> tuple[str, SignedIn] | None:
    expires_at = datetime.now(UTC) + timedelta(seconds=KEY_SECONDS)
    key = new_key(Scope.READ, expires_at=expires_at)
    put_on_queue(bench.servers.settings, key)
    session = wait_until(
        lambda: in_use(bench.running, key.token) or datetime.now(UTC) > expires_at, "a session"
    )
    return (key.token, session) if isinstance(session, SignedIn) else None


def test_a_session_ends_when_its_key_expires(bench: Bench) -> None:
    found = wait_until(lambda: session_of_a_key_that_expires(bench), "a session before the end")
    assert found is not None
    token, session = found
    [max_age] = [each for each in session.attributes if each.startswith("Max-Age=")]
    assert int(max_age.partition("=")[2]) <= KEY_SECONDS
    wait_until(lambda: is_over(bench.running, session), "the key to expire")
    assert whoever(bench.running, session) == NOBODY
    # A session ends with a whole second, so up to one before its key.
    wait_until(lambda: post_key(bench.running, token).status_code == 401, "no more sessions")
