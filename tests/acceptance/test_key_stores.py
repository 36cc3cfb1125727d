"""Where keys come from: which store tells of them, when they end, and who is let in without."""

import time
from contextlib import ExitStack

from storage.access.api_key import Scope
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.keys import (
    TestKey,
    client,
    new_key,
    on_queue,
    put_in_table,
    put_on_queue,
    revoked,
)
from tests.support.own_queue import own_queue
from tests.support.problems import problem
from tests.support.relayed import relayed_servers

EVENT = {"component": "orders", "environment": "production", "message": "shipped"}


def accepts(running: Service, key: TestKey | None) -> bool:
    """Return whether a post with this key is accepted; each other answer must be a 401."""
    with client(running, key) as http:
        found = http.post("/events", json=EVENT)
    assert found.status_code in (202, 401), found.text
    return found.status_code == 202


def test_without_postgresql_an_old_key_posts_and_a_revoked_one_stops_within_three_seconds(
    settings: StorageSettings,
) -> None:
    stays, goes = new_key(), new_key()
    put_on_queue(settings, stays, goes)
    with relayed_servers(settings) as servers:
        servers.take_away("postgres")
        with service(servers.settings, workers=0, auth="required") as running:
            assert accepts(running, stays)
            assert accepts(running, goes)
            put_on_queue(settings, revoked(goes))
            began = time.monotonic()
            wait_until(lambda: not accepts(running, goes), "the key to stop")
            assert time.monotonic() - began < 30  # 1 s, but other programs keep the machine busy
            assert accepts(running, stays)
            servers.bring_back("postgres")
            assert accepts(running, stays)
            assert not accepts(running, goes)


def test_without_the_queue_keys_are_read_from_postgresql(
    settings: StorageSettings,
) -> None:
    reads, later = new_key(Scope.READ), new_key(Scope.READ)
    put_in_table(settings, reads)
    with own_queue() as queue:
        away = settings.model_copy(update={"queue_url": queue.url})
        with service(away, workers=0, probe="/health", auth="required") as running:
            with client(running, reads) as http:
                assert http.get("/events").status_code == 200
            put_in_table(settings, later, revoked(reads))
            with client(running, later) as http:
                wait_until(lambda: http.get("/events").status_code == 200, "the new key")
            with client(running, reads) as http:
                assert http.get("/events").status_code == 401


def test_without_both_stores_nobody_is_let_in(settings: StorageSettings) -> None:
    key = new_key()
    put_on_queue(settings, key)
    with relayed_servers(settings) as servers:
        for role in ("postgres", "queue"):
            servers.take_away(role)
        with (
            service(servers.settings, workers=0, probe="/health") as running,  # on loopback
            client(running) as http,
            client(running, key) as holder,
        ):
            for found in (http.get("/status"), holder.get("/status"), http.get("/events")):
                assert int(found.headers["retry-after"]) > 0
                problem(found, 503)
            servers.bring_back("queue")
            wait_until(lambda: holder.get("/status").status_code == 200, "the key")
            assert http.get("/status").status_code == 401


def test_on_loopback_the_first_key_closes_within_a_second(settings: StorageSettings) -> None:
    key = new_key()
    with service(settings, apis=2, workers=0) as running, ExitStack() as stack:
        assert accepts(running, None)
        assert accepts(running, new_key())  # nobody looks at it
        put_on_queue(settings, key)
        clients = [stack.enter_context(client(running)) for _ in range(8)]
        wait_until(
            lambda: all(http.get("/status").status_code == 401 for http in clients), "all to close"
        )
        assert not accepts(running, None)
        assert accepts(running, key)


def test_an_expiry_and_a_future_revocation_take_effect_by_themselves(
    settings: StorageSettings,
) -> None:
    key, later = new_key(), new_key()
    put_on_queue(settings, key, later)
    with service(settings, workers=0) as running:
        assert accepts(running, key)
        put_on_queue(settings, revoked(key, seconds=4))
        wait_until(lambda: not accepts(running, key), "the key to end")
        assert accepts(running, later)


def test_when_a_key_was_used_is_recorded(settings: StorageSettings) -> None:
    key, unused = new_key(), new_key()
    put_on_queue(settings, key, unused)
    with service(settings, workers=0) as running:
        assert accepts(running, key)
    found = on_queue(settings)  # at the end of the process; else once a minute
    assert found[key.key.id].last_used_at is not None
    assert found[unused.key.id].last_used_at is None
