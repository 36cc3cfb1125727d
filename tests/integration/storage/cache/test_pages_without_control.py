"""While control is away, hangs or is full, history is right and does not wait."""

import asyncio
import socket
import time

import pytest
import redis
import redis.asyncio

from storage.cache import page_cache
from storage.cache.page_cache import Miss
from storage.errors import ControlUnavailable
from storage.model.cached_page import CachedPage
from storage.model.event import now_ms, to_datetime
from storage.model.filters import Filters, digest
from storage.redis import keys
from storage.settings import StorageSettings
from tests.support import cached_pages
from tests.support.cached_pages import OF
from tests.support.reading import Reader, made, opened, reader, store

read = cached_pages.read


def test_without_control_history_says_bypass_and_is_right(settings: StorageSettings) -> None:
    event = made(now_ms())
    store(settings, [event])
    away = settings.model_copy(update={"control_url": "redis://127.0.0.1:1/0"})
    with reader(away) as read:
        for _ in range(2):
            assert read.served(Filters()).verdict == "BYPASS"
        assert [found["id"] for found in read.page(Filters())[0]] == [event.id]


@pytest.mark.parametrize(("silent", "verdict"), [("control_url", "BYPASS"), ("queue_url", "MISS")])
def test_a_server_that_hangs_does_not_hold_up_what_postgresql_can_answer(
    settings: StorageSettings, silent: str, verdict: str
) -> None:
    event = made(now_ms() - 90_000)
    store(settings, [event])
    with socket.create_server(("127.0.0.1", 0)) as listener:  # lets connect, and never answers
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        with reader(settings.model_copy(update={silent: url})) as read:
            start = time.monotonic()
            served = read.served(Filters(end=to_datetime(now_ms() - 60_000)))
            assert time.monotonic() - start < 20
    assert served.verdict == verdict
    assert opened(served)[0][0]["id"] == event.id


def test_after_answers_that_came_too_late_each_asker_still_gets_its_own_page(
    read: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {f"{n:032}": CachedPage(b"%d" % n, b'"t"') for n in range(20)}
    for name, page in pages.items():
        miss = read.run(read.cache.lookup(name, OF))
        assert isinstance(miss, Miss)
        read.run(read.cache.keep(name, miss.generations, page))

    async def ask_all() -> list[object]:
        lookups = (read.cache.lookup(name, OF) for name in pages)
        return await asyncio.gather(*lookups, return_exceptions=True)

    monkeypatch.setattr(page_cache, "ANSWER_SECONDS", 0.05)
    read.control.client_pause(60_000, all=False)  # scripts wait; what ends the pause does not
    assert all(isinstance(late, ControlUnavailable) for late in read.run(ask_all()))
    read.control.client_unpause()
    monkeypatch.setattr(page_cache, "ANSWER_SECONDS", 60)
    for _ in range(3):
        assert read.run(ask_all()) == list(pages.values())


@pytest.mark.parametrize("policy", ["volatile-lru", "noeviction"])
def test_with_control_full_history_is_right_and_does_not_wait_for_a_lock(
    read: Reader, settings: StorageSettings, policy: str
) -> None:
    event = made(now_ms())
    store(settings, [event])
    read.served(Filters(limit=7))  # the scripts are known, the connections open
    before = read.control.config_get("maxmemory*")
    try:
        read.control.config_set("maxmemory-policy", policy)
        read.control.delete(keys.page(digest(Filters(limit=7))))
        read.control.config_set("maxmemory", 1024)
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            read.control.set("more", "x")
        for _ in range(3):
            assert read.served(Filters()).verdict == "MISS"
            assert read.control.keys("cache:lock:*") == []
        assert [found["id"] for found in read.page(Filters())[0]] == [event.id]
    finally:
        for name in ("maxmemory", "maxmemory-policy"):
            read.control.config_set(name, before[name] or "")
    assert [read.served(Filters()).verdict for _ in range(2)] == ["MISS", "HIT"]
