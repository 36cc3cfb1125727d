"""Streams and polls of the feed end when they must, and never take more than their share."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from storage.access.api_key import Scope
from storage.postgres.engine import short_engine
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.bounds import resident
from tests.support.event_streams import changes, read_on, tail
from tests.support.hostile import get
from tests.support.keys import client, new_key, put_on_queue, revoked
from tests.support.problems import problem
from tests.support.raw_http import Raw
from tests.support.reading import made, store

EVENT = {"component": "c", "environment": "e", "message": "m"}
MIB = 1024 * 1024


@pytest.fixture
def running(settings: StorageSettings) -> Iterator[Service]:
    with service(settings, cache_grace_ms=0) as started:
        yield started


def reader(running: Service) -> httpx.Client:
    return httpx.Client(base_url=running.url, timeout=60, trust_env=False)


def test_after_a_restore_a_token_of_before_is_gone(settings: StorageSettings) -> None:
    with service(settings) as running:
        token = changes(running.http)["next"]
        with short_engine(settings.database_url) as engine, engine.begin() as connection:
            connection.execute(sa.text("UPDATE feed_identity SET feed_id = gen_random_uuid()"))
        told = problem(running.http.get("/events/changes", params={"after": token}), 410)
        assert told["type"] == "urn:activity:problem:gone"
        assert changes(running.http, after=changes(running.http)["next"])["events"] == []


def test_a_database_that_is_restored_ends_the_streams(running: Service) -> None:
    with tail(running.http) as stream, short_engine(running.settings.database_url) as engine:
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE feed_identity SET feed_id = gen_random_uuid()"))
        assert stream.next("gone")["status"] == 410
        assert list(stream) == []


def test_a_stream_may_skip_what_was_missed_and_learns_how_much_that_was(running: Service) -> None:
    token = changes(running.http)["next"]
    for component in ("c", "other", "c"):
        running.wait_stored(running.post(**{**EVENT, "component": component})["id"])
    with tail(running.http, token, skip="true", component="c") as stream:
        assert stream.next("skipped") == {"missed": 2}
        behind = stream.parser.last_event_id
        sent = running.post(**EVENT)["id"]
        assert [each["id"] for each in stream.take(1)] == [sent]
    assert list(read_on(running.http, behind)) == [sent]
    with tail(running.http, skip="true") as stream:  # nothing to skip from now on
        assert next(iter(stream)).type == "at"


def test_streams_and_polls_end_when_the_process_stops_and_go_on_with_the_next(
    running: Service,
) -> None:
    token, (api,) = changes(running.http)["next"], running.apis
    found: list[Any] = []

    def poll() -> None:
        with reader(running) as http:
            found.append(changes(http, after=token, wait=60))

    waiting = threading.Thread(target=poll)
    with ExitStack() as stack:
        http = stack.enter_context(reader(running))
        streams = [stack.enter_context(tail(http)) for _ in range(5)]
        for stream in streams:
            stream.next("at")
        waiting.start()
        wait_until(lambda: readers(running, "changes") == 1, "the poll")
        running.http.close()
        api.send_signal(signal.SIGTERM)
        for stream in streams:
            stream.parser.retry_ms = None
            assert [each for each in stream if each.type != "at"] == []  # it ends in order
            assert stream.parser.retry_ms == 1000
        waiting.join(60)
    assert found[0]["events"] == []
    api.wait(60)
    running.apis.clear()
    running.http = reader(running)
    running.start_api()
    wait_until(lambda: running.answers("/health/ready"), "another process")
    sent = running.post(**EVENT)["id"]
    running.wait_stored(sent)
    assert list(read_on(running.http, found[0]["next"])) == [sent]
    with tail(running.http, streams[0].parser.last_event_id) as again:
        assert [each["id"] for each in again.take(1)] == [sent]


def readers(running: Service, kind: str) -> int | None:
    text = running.http.get("/metrics").text
    name = f'activity_feed_readers{{kind="{kind}"}} '
    return next((int(float(x.removeprefix(name))) for x in text.splitlines() if name in x), None)


def test_more_streams_than_a_process_serves_are_refused_and_a_place_is_free_after_one(
    running: Service,
) -> None:
    with ExitStack() as stack:
        raws = [stack.enter_context(Raw(running)) for _ in range(100)]
        for raw in raws:
            raw.send(get(b"/events/tail"))
        wait_until(lambda: readers(running, "tail") == 100, "100 streams")
        refused = running.http.get("/events/tail")
        assert "same token" in problem(refused, 503)["detail"]
        assert int(refused.headers["retry-after"]) > 0
        assert running.http.head("/events/tail").status_code == 503
        assert changes(running.http)["events"] == []  # polls have places of their own
        raws[0].socket.close()
        wait_until(lambda: readers(running, "tail") == 99, "a free place")
        with tail(running.http) as stream:
            stream.next("at")
    wait_until(lambda: readers(running, "tail") == 0, "the readers that have gone")


def test_a_stream_ends_when_its_key_is_revoked_or_expires(settings: StorageSettings) -> None:
    reads, posts = new_key(Scope.READ), new_key()
    put_on_queue(settings, reads, posts)
    with service(settings) as running, client(running, reads) as http:
        with tail(http) as stream:
            stream.next("at")
            put_on_queue(settings, revoked(reads))
            assert {each.type for each in stream} <= {"at"}
        problem(http.get("/events/tail"), 401)
        with client(running, posts) as other, tail(other) as stream:
            stream.next("at")


def test_while_postgresql_is_away_a_stream_says_so_and_then_goes_on_without_a_gap(
    running: Service, servers: TestServers
) -> None:
    postgres = servers.servers.postgres
    first = running.post(**EVENT)["id"]
    with tail(running.http, after="start") as stream:
        got = [each["id"] for each in stream.take(1)]
        postgres.stop()
        try:
            with reader(running) as http:
                wait_until(
                    lambda: stream.next("at")["behind"] is None, "the stream to know nothing"
                )
                told = stream.next("at")
                assert "can't be read" in told["trouble"]
                sent = [http.post("/events", json=EVENT).json()["id"] for _ in range(3)]
                token = stream.parser.last_event_id
                assert http.get("/events/changes", params={"after": token}).status_code == 503
                assert http.get("/events/tail").status_code == 503
                lag = wait_until(lambda: stream.next("at")["lag_seconds"], "a lag")
                assert lag > 0
        finally:
            postgres.start()
        got += [each["id"] for each in stream.take(3)]
        assert (got[0], sorted(got[1:])) == (first, sorted(sent))
        assert wait_until(lambda: stream.next("at")["behind"] == 0, "an honest stream again")


def test_clients_that_read_nothing_hold_little_memory_and_are_served_in_full_later(
    settings: StorageSettings,
) -> None:
    events = [made(1_772_323_200_000 + n, message="x" * 50_000) for n in range(400)]
    store(settings, events, 100)
    with service(settings, workers=0, answer_seconds=600) as running, ExitStack() as stack:
        before = resident(running.apis[0].pid)
        http = stack.enter_context(reader(running))
        idle = [stack.enter_context(tail(http, after="start")) for _ in range(30)]
        with tail(running.http, after="start") as stream:
            assert len({each["id"] for each in stream.take(400)}) == 400
        assert resident(running.apis[0].pid) - before < 100 * MIB  # and not 30 * 20 MiB
        assert [each["id"] for each in idle[7].take(400)] == [event.id for event in events]


def test_nothing_is_asked_while_nobody_reads(running: Service) -> None:
    running.wait_stored(running.post(**EVENT)["id"])
    with tail(running.http, after="start") as stream:
        stream.take(1)
    wait_until(lambda: readers(running, "tail") == 0, "the reader to be gone")
    rests = sa.text(
        "SELECT clock_timestamp() - max(query_start) > interval '2 s' FROM pg_stat_activity "
        "WHERE application_name = 'activity-feed' AND datname = current_database()"
    )
    with short_engine(running.settings.database_url) as engine, engine.connect() as connection:

        def is_resting() -> bool:
            with connection.begin():
                return bool(connection.scalar(rests))

        wait_until(is_resting, "no query for two seconds")
