"""Run the whole service with the rights that docs/security.md gives it, and no more."""

import asyncio
import re
from collections.abc import Iterator, Set
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from cli.doctor.check import Verdict
from cli.doctor.examination import examine
from cli.doctor.subject import open_subject
from storage.access.audit import AuditLine
from storage.access.homes import KeyHomes
from storage.access.pending_audit import pending_lines
from storage.access.rate_limits import Demand, RateLimit, RateLimits
from storage.access.session_store import SessionStore
from storage.cache.day_cache import DayCache
from storage.cache.invalidation import CacheInvalidator
from storage.dead_letters import DeadLetters
from storage.erasure import records
from storage.erasure.eraser import Eraser, Servers
from storage.erasure.runner import run_pending
from storage.model.erasing import Address
from storage.postgres.engine import plain_engine, transaction
from storage.redis import keys
from storage.redis.client import connect, connect_async, primary_addresses
from storage.redis_hosts import names_cluster
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.access import START, homes_of, make_key
from tests.support.event_streams import changes, tail
from tests.support.keys import client, new_key, put_on_queue
from tests.support.problems import problem
from tests.support.queued import add_dead_letter, make_event
from tests.support.scraped import scrape
from tests.support.sessions import post_key
from worker.key_maintenance import KeyMaintenance

PAGE = Path(__file__).parents[2] / "docs/security.md"
EVENT = {"component": "c", "environment": "e", "message": "m"}


def rights(role: str) -> list[str]:
    """Return the rights of the page for that server, as ACL SETUSER reads them."""
    (block,) = re.findall(rf"```\n(user activity-{role} [^`]*)```", PAGE.read_text())
    return re.sub(r"\\\n", " ", block).split()[2:]


def rights_on_a_cluster() -> list[str]:
    """Return the rights that the user of the queue also needs there."""
    (found,) = re.findall(r"On a cluster the user also needs `([^`]*)`", PAGE.read_text())
    return found.split()  # type: ignore[no-any-return]


# What the page did not give before there were rates and sessions.
NEW_OF_CONTROL = {
    *("~rates:*", "~session:*", "+hgetall", "+hsetnx"),
    *("+zremrangebyrank", "+zremrangebyscore", "+zscore"),
}


def restricted(url: str, role: str, without: Set[str] = frozenset()) -> str:
    """Return the server's address for a user with only these rights, and not those `without`."""
    password = "its password"
    assert without <= {*rights(role)}
    given = [word for word in rights(role) if word not in without]
    words = [f">{password}" if word.startswith(">") else word for word in given]
    words += rights_on_a_cluster() if names_cluster(url) else []
    for server in each_server(url):
        server.execute_command("ACL", "SETUSER", f"activity-{role}", "reset", *words)
        server.execute_command("ACL", "LOG", "RESET")
        server.script_flush()  # a server that has just begun knows no script
    login = f"username=activity-{role}&password={password.replace(' ', '%20')}"
    return f"{url}{'&' if '?' in url else '?'}{login}"


def each_server(url: str) -> Iterator[Any]:
    """Yield a client of the server, or of each primary of a cluster."""
    for address in primary_addresses(url):
        with redis.Redis.from_url(address) as server:
            yield server


@pytest.fixture
def few_rights(settings: StorageSettings) -> Iterator[StorageSettings]:
    urls = {
        "queue_url": restricted(settings.queue_url, "queue"),
        "control_url": restricted(settings.control_url, "control"),
    }
    try:
        yield settings.model_copy(update=urls)
    finally:
        for role in ("queue", "control"):
            for server in each_server(getattr(settings, f"{role}_url")):
                server.execute_command("ACL", "DELUSER", f"activity-{role}")


def denied(settings: StorageSettings) -> list[object]:
    """Return the commands that a server has refused, from its ACL log."""
    found: list[object] = []
    for url in (settings.queue_url, settings.control_url):
        for server in each_server(url):
            found += server.execute_command("ACL", "LOG")
    return found


def use_everything(running: Service) -> None:
    """Use each way to post, to read and to query."""
    for n in range(20):
        running.post(**EVENT, data={"n": n})
    for _ in range(2):
        sent = running.http.post("/events", json=EVENT, headers={"idempotency-key": "k"})
        assert sent.status_code == 202
    stored = running.http.post("/events?ack=stored", json=EVENT)
    assert stored.status_code in (201, 202)
    running.wait_stored(stored.json()["id"])
    assert running.by_ids([stored.json()["id"]])["missing"] == []
    wait_until(lambda: running.http.get("/status").json()["backlog"] == 0, "all to be stored", 60)
    past = {"to_date": "2020-01-01"}
    for query in ({}, {"message": "m"}, past, past):
        assert running.http.get("/events", params=query).status_code == 200
    cached = wait_until(
        lambda: running.http.get("/events").headers["x-cache"] == "HIT", "a cached page", 60
    )
    assert cached
    fields = {"field": ["component", "email", "data"]}
    assert running.http.get("/events/facets", params=fields).json()["complete"]
    assert changes(running.http, after="start", wait=5)["events"]
    with tail(running.http) as stream:
        told = [stream.next("at") for _ in range(3)]
        assert told[-1] == {"lag_seconds": 0, "behind": 0, "trouble": None}
    found = running.http.get("/status").json()
    assert (found["status"], found["attention"]) == ("ok", [])
    shown = wait_until(
        lambda: found if "activity_unaccounted_events" in (found := scrape(running.http)) else None,
        "the figures of every server",
        60,
    )
    assert shown is not None
    assert set(shown.by("activity_server_up", "server").values()) == {1}
    assert {"activity_database_bytes", "activity_queue_aof_ok"} <= shown.families.keys()
    for purpose in ("accept", "query"):
        ready = running.http.get("/health/ready", params={"for": purpose}).json()
        assert {each["state"] for each in ready["dependencies"].values()} == {"up"}
    old = {**EVENT, "created_at": "2020-01-01T00:00:00Z", "import_id": "1"}
    imported = running.http.post("/events/batch?import=true", json=[old])
    assert imported.status_code == 202, imported.text


def replay_one(settings: StorageSettings) -> None:
    engine = plain_engine(settings.database_url)
    with closing(redis.Redis.from_url(settings.control_url)) as control:
        letter = make_event()
        add_dead_letter(engine, letter)
        letters = DeadLetters(engine, settings.partition_by, CacheInvalidator(control))
        assert letters.replay(letters.newest(1)[0]) is None
    engine.dispose()


def keep_a_key(settings: StorageSettings) -> None:
    with homes_of(settings) as homes:
        key = make_key()
        line = AuditLine("root@host", "keys create", key.id)
        assert not KeyHomes(homes.client, homes.engine).put([key], line).failures
        homes.queue.record_use({key.id: START})
        KeyMaintenance(homes.client, homes.engine).run_once()
        assert homes.queue.version()
        assert homes.queue.load()[1] == homes.table.load()
        assert pending_lines(homes.client) == []


def test_everything_works_with_the_rights_of_the_page(
    settings: StorageSettings, few_rights: StorageSettings
) -> None:
    with service(few_rights, apis=2, cache_grace_ms=0) as running:
        use_everything(running)
        replay_one(few_rights)
        killed = running.workers.pop()
        killed.kill()  # the job is lost; a sweep repeats it
        killed.wait()
        for _ in range(20):
            running.post(**EVENT)
        running.start_worker()
        wait_until(lambda: running.http.get("/status").json()["backlog"] == 0, "a sweep", 60)
    keep_a_key(few_rights)
    assert denied(settings) == []


def test_the_doctor_lacks_only_the_right_to_ask_for_the_settings_of_control(
    settings: StorageSettings, few_rights: StorageSettings
) -> None:
    with service(few_rights), open_subject(few_rights) as subject:
        found = {each.check.name: each.finding for each in examine(subject)}
    assert "CONFIG" not in str(found["queue-fsync"])
    assert "config|get" in found["control-persistence"].text.lower()
    unknown = {name for name, each in found.items() if each.verdict == Verdict.UNKNOWN}
    assert unknown == {
        *("control-persistence", "log-size"),  # no folder
        *("keys-needed", "keys-in-clear"),  # no host
    }
    assert found["control-rights"].verdict == Verdict.OK
    assert "config" in str(denied(settings)).lower()


def test_with_the_rights_of_an_earlier_version_what_is_new_is_unknown_and_the_doctor_says_why(
    settings: StorageSettings, few_rights: StorageSettings
) -> None:
    few_rights.control_url = restricted(settings.control_url, "control", NEW_OF_CONTROL)
    key = new_key()
    put_on_queue(settings, key)
    with service(few_rights, auth="required") as running, client(running, key) as http:
        assert http.post("/events?ack=stored", json=EVENT).status_code in (201, 202)
        answer = http.get("/admin/rates")
        assert answer.status_code == 200, answer.text
        minutes = answer.json()["minutes"]
        assert len(minutes) == 60
        assert {minute[name] for minute in minutes for name in minute if name != "minute"} == {None}
        assert "lacks a right" in problem(post_key(running, key.token), 503)["detail"]
        with open_subject(few_rights) as subject:
            found = {each.check.name: each.finding for each in examine(subject)}
    assert found["control-rights"].verdict == Verdict.FAULT
    assert "the rates of the last hour are unknown; nobody can sign" in found["control-rights"].text
    with redis.Redis.from_url(settings.control_url) as server:
        assert not server.keys("*doctor*")


def test_limits_of_keys_are_counted_with_the_rights_of_the_page(
    settings: StorageSettings, few_rights: StorageSettings
) -> None:
    """Without the right, each process would let the whole rate pass; only a log would say so."""

    async def ask(key_id: str, limit: RateLimit) -> int:
        limits = RateLimits(connect_async(few_rights.control_url, retries=0))
        try:
            return (await limits.grant(key_id, limit, Demand(7, 1, 1))).events
        finally:
            await limits.close()

    assert asyncio.run(ask("rate", RateLimit(7, None))) == 7
    assert asyncio.run(ask("both", RateLimit(7, 1_000))) == 7
    assert denied(settings) == []


def test_sessions_are_kept_with_the_rights_of_the_page(
    settings: StorageSettings, few_rights: StorageSettings
) -> None:
    async def use() -> list[bool]:
        store = SessionStore(connect_async(few_rights.control_url))
        try:
            await store.add("key", "proof", ends_at=2_000_000_000, now=1_999_999_990.5)
            await store.add("key", "other", ends_at=2_000_000_001, now=1_999_999_990.5)
            await store.remove("key", "other")
            return await store.are_there([("key", "proof"), ("key", "other"), ("none", "proof")])
        finally:
            await store.close()

    assert asyncio.run(use()) == [True, False, False]
    assert denied(settings) == []


def test_a_person_is_erased_with_the_rights_of_the_page(
    settings: StorageSettings, few_rights: StorageSettings
) -> None:
    engine = plain_engine(few_rights.database_url, pool=2)
    with connect(few_rights.queue_url) as queue, connect(few_rights.control_url) as control:
        control.hset(keys.page("digest"), "body", "a page")
        servers = Servers(engine, queue, control, few_rights.shards)
        eraser = Eraser(servers, in_flight_ms=0)
        begun = eraser.begin(Address.of("jo@example.com"), "somebody@host", rewrite=True)
        wait_until(lambda: run_pending(engine, eraser) is False, "the erasure to be done")
        assert not control.exists(keys.page("digest"))
    with transaction(engine) as connection:
        done = records.get(connection, begun.id)
    engine.dispose()
    assert done is not None
    assert (done.step, list(done.remains)) == ("done", [])
    assert denied(settings) == []


@pytest.mark.parametrize(
    ("role", "folder"), [("queue", "queue"), ("control", "cache"), ("control", "access")]
)
def test_each_command_of_a_script_is_among_the_rights(role: str, folder: str) -> None:
    scripts = (Path(__file__).parents[2] / "storage" / folder / "lua").glob("*.lua")
    called = {
        name.lower() for each in scripts for name in re.findall(r"call\('(\w+)'", each.read_text())
    }
    assert called
    assert called <= {word.removeprefix("+").split("|")[0] for word in rights(role)}


@pytest.mark.parametrize(
    ("role", "command"),
    [
        ("queue", ["FLUSHALL"]),
        ("queue", ["DEL", "events:{0}"]),
        ("queue", ["CONFIG", "SET", "appendonly", "no"]),
        ("queue", ["SET", "another", "key"]),
        ("queue", ["KEYS", "*"]),
        ("queue", ["SUBSCRIBE", "channel"]),
        ("queue", ["EVAL", "return redis.call('SET', 'another', 'key')", "0"]),
        ("control", ["FLUSHALL"]),
        ("control", ["CONFIG", "GET", "*"]),
        ("control", ["SET", "another", "key"]),
        ("control", ["KEYS", "*"]),
        ("control", ["PUBLISH", "rq:pubsub:worker", "shutdown"]),
        ("control", ["ACL", "LIST"]),
    ],
)
def test_commands_without_a_right_are_refused(
    few_rights: StorageSettings, role: str, command: list[str]
) -> None:
    for server in each_server(getattr(few_rights, f"{role}_url")):
        with pytest.raises(redis.ResponseError, match=r"(?i)no permission|can't access"):
            server.execute_command(*command)


def test_counts_of_closed_days_are_kept_with_these_rights(
    settings: StorageSettings, few_rights: StorageSettings
) -> None:
    with closing(DayCache(few_rights.control_url, 60, 0)) as cache:
        days = cache.open("digest", 10 * 86_400_000)
        days.keep(7, b"counts")
        days.flush()
        assert days.kept([6, 7]) == {7: b"counts"}
    assert denied(settings) == []
