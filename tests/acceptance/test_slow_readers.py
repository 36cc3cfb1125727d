"""Test clients that request much and read slowly, or not at all."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.bounds import connections, resident
from tests.support.hostile import EVENT, get
from tests.support.problems import problem
from tests.support.raw_http import Raw
from tests.support.uploads import upload

MIB = 1024 * 1024
EVENTS = 1_000
PAGE_BYTES = 12 * MIB
CLIENTS = 30
NDJSON = {"content-type": "application/x-ndjson"}
# 30 pages have 360 MiB. Held are at most 64 MiB, and two pages while they are made.
GROWTH_BYTES = 220 * MIB
LEFT_BYTES = 64 * MIB
SECONDS = 60


@pytest.fixture(scope="module")
def filled(servers: TestServers) -> Iterator[StorageSettings]:
    """Yield settings of a database with a page of PAGE_BYTES."""
    with servers.fresh(database_pool=2) as settings, service(settings) as running:
        for _ in range(2):
            body = upload(PAGE_BYTES // 2, EVENTS // 2)
            answer = running.http.post("/events/batch?ack=stored", content=body, headers=NDJSON)
            last = answer.json()["results"][-1]["id"]
        running.wait_stored(last)
        yield settings


def page(limit: int) -> bytes:
    """Build a request for that many of the large events."""
    return get(b"/events?component=large&limit=%d" % limit)


def not_reading(running: Service, limit: int) -> Raw:
    """Open a client that requests a page and reads nothing of it."""
    raw = Raw(running)
    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    raw.send(page(limit))
    return raw


def large_page(running: Service, limit: int = EVENTS) -> httpx.Response:
    return running.http.get(f"/events?component=large&limit={limit}")


def test_clients_that_request_large_pages_and_never_read_take_bounded_memory(
    filled: StorageSettings,
) -> None:
    """Serve others meanwhile; when the clients have gone, the memory comes back."""
    with service(filled, workers=0) as running, ExitStack() as clients:
        (api,) = running.apis
        assert len(large_page(running).content) > PAGE_BYTES
        before = resident(api.pid)
        for number in range(CLIENTS):
            clients.enter_context(not_reading(running, EVENTS - number))
        for _ in range(CLIENTS):
            running.post(**EVENT)
            assert len(running.events(limit=1)) == 1
        wait_until(lambda: large_page(running).status_code == 200, "a large page", SECONDS)
        growth = resident(api.pid, "VmHWM") - before
        assert growth < GROWTH_BYTES, f"grew by {growth / MIB:.0f} MiB"
        clients.close()

        def is_back() -> bool:
            return resident(api.pid) < before + LEFT_BYTES

        wait_until(is_back, "the memory to come back", SECONDS)


def test_a_client_that_reads_slowly_but_steadily_gets_its_whole_page(
    filled: StorageSettings,
) -> None:
    """Take more time in all than a client may make no progress."""
    pause = threading.Event()
    with service(filled, workers=0, answer_seconds=4) as running:
        whole = large_page(running).content
        with not_reading(running, EVENTS) as slow:
            said = b""
            while b"\r\n\r\n" not in said or len(said.partition(b"\r\n\r\n")[2]) < len(whole):
                pause.wait(0.05)
                part = slow.socket.recv(64 * 1024)
                assert part, "closed in the middle"
                said += part
        assert said.partition(b"\r\n\r\n")[2] == whole


@pytest.mark.parametrize("closes", [False, True])
def test_a_client_that_stops_reading_is_disconnected(filled: StorageSettings, closes: bool) -> None:
    """Disconnect also when only the rest of the last answer remains."""
    with service(filled, workers=0, answer_seconds=1) as running:
        before = connections(running)
        with not_reading(running, EVENTS) as raw:
            if closes:
                raw.socket.shutdown(socket.SHUT_WR)
            wait_until(lambda: connections(running) > before, "it to be there", SECONDS)
            wait_until(lambda: connections(running) <= before, "it to be disconnected", SECONDS)


def test_past_the_budget_a_large_page_is_refused_and_nothing_else(filled: StorageSettings) -> None:
    """Refuse until clients without progress have made way."""
    with (
        service(filled, workers=0, answer_memory_bytes=MIB) as running,
        not_reading(running, EVENTS),
    ):
        refused = wait_until(
            lambda: answer if (answer := large_page(running)).status_code == 503 else None,
            "a large page to be refused",
            SECONDS,
        )
        assert refused is not None
        assert "large answers" in problem(refused, 503)["detail"]
        assert refused.headers["retry-after"] == "2"
        running.post(**EVENT)
        batch = "\n".join([json.dumps(EVENT)] * 2_000).encode()
        answer = running.http.post("/events/batch", content=batch, headers=NDJSON)
        assert answer.status_code == 202
        assert len(answer.json()["results"]) == 2_000
        wait_until(lambda: large_page(running).status_code == 200, "a large page", SECONDS)
