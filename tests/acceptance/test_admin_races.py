"""Dead letters that two administrators act on at once, and those whose bytes are hostile."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

import pytest
import sqlalchemy as sa

from storage.access.api_key import Scope
from storage.postgres.tables import dead_letters, events
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.admin import DISCARD, LETTERS, REPLAY, act, audit, make_letters
from tests.support.keys import TestKey, client, new_key, put_on_queue
from tests.support.refusing import refuse, refuse_nothing

ANN, BOB = new_key(Scope.ADMIN), new_key(Scope.ADMIN)
DONE = {REPLAY: "stored", DISCARD: "discarded"}
_WAITING = """SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'activity-admin' AND wait_event_type = 'Lock'"""


class Bench(NamedTuple):
    """A service with two administrators, and its database."""

    running: Service
    engine: sa.Engine

    def act(self, by: TestKey, path: str, event_id: str) -> dict[str, str]:
        """Act on one dead letter, and return what the administrator is told."""
        with client(self.running, by) as http:
            [found] = act(http, path, [event_id])
        return found

    def waiting(self) -> int:
        """Return how many acts of administrators wait for a lock."""
        with self.engine.begin() as connection:
            return int(connection.scalar(sa.text(_WAITING)) or 0)

    def is_dead(self, event_id: str) -> bool:
        return self._has(sa.select(dead_letters.c.id).where(dead_letters.c.id == UUID(event_id)))

    def is_stored(self, event_id: str) -> bool:
        return self._has(sa.select(events.c.id).where(events.c.id == UUID(event_id)))

    def _has(self, query: sa.Select[UUID]) -> bool:
        with self.engine.begin() as connection:
            return connection.execute(query).first() is not None

    @contextmanager
    def held(self, event_id: str) -> Iterator[None]:
        """Keep everybody from changing a dead letter during the block."""
        row = sa.select(dead_letters.c.id).where(dead_letters.c.id == UUID(event_id))
        with self.engine.connect() as connection, connection.begin():
            assert connection.execute(row.with_for_update()).first()
            yield


@pytest.fixture(scope="module")
def bench(servers: TestServers) -> Iterator[Bench]:
    with servers.fresh() as settings:
        put_on_queue(settings, ANN, BOB)
        engine = sa.create_engine(settings.database_url)
        with service(settings, workers=0, auth="required", cache_grace_ms=0) as running:
            yield Bench(running, engine)
        engine.dispose()


@pytest.mark.parametrize("first", [REPLAY, DISCARD])
@pytest.mark.parametrize("second", [REPLAY, DISCARD])
def test_of_two_acts_at_once_one_wins_and_both_are_told_the_truth(
    bench: Bench, first: str, second: str
) -> None:
    [one] = make_letters(bench.engine, 1)
    began = len(audit(bench.engine))
    told: list[Future[dict[str, str]]] = []
    with ThreadPoolExecutor(2) as threads:
        with bench.held(one):
            for by, path in ((ANN, first), (BOB, second)):
                told.append(threads.submit(bench.act, by, path, one))
                wait_until(lambda: bench.waiting() == len(told), "the act to be in the middle")
            assert bench.is_dead(one)
        answers = [each.result(60) for each in told]
    assert answers == [{"id": one, "result": DONE[first]}, {"id": one, "result": "not_found"}]
    assert (bench.is_stored(one), bench.is_dead(one)) == (first == REPLAY, False)
    name = f"dead-letters {first.rpartition('/')[2]}"
    assert audit(bench.engine)[began:] == [(f"key {ANN.key.id}@http", name, one, "done")]


@pytest.mark.parametrize("path", [REPLAY, DISCARD])
def test_an_act_on_what_is_gone_says_so_and_is_no_act(bench: Bench, path: str) -> None:
    [one] = make_letters(bench.engine, 1)
    assert bench.act(ANN, DISCARD, one)["result"] == "discarded"
    began = audit(bench.engine)
    assert bench.act(BOB, path, one) == {"id": one, "result": "not_found"}
    assert audit(bench.engine) == began
    assert not bench.is_stored(one)


def test_what_is_refused_at_the_commit_stays_a_dead_letter_with_the_reason(bench: Bench) -> None:
    """A constraint trigger that is deferred runs after everything else of the transaction."""
    [one] = make_letters(bench.engine, 1)
    with client(bench.running, ANN) as http:
        before = http.get(f"{LETTERS}/{one}").json()
        refuse(bench.engine, "22000", "%", at_commit=True, said="refused at the very end")
        told = bench.act(ANN, REPLAY, one)
        assert (told["result"], "refused at the very end" in told["reason"]) == ("refused", True)
        assert http.get(f"{LETTERS}/{one}").json() == before
    assert (bench.is_stored(one), bench.is_dead(one)) == (False, True)
    assert audit(bench.engine)[-1][2:] == (one, "refused")
    refuse_nothing(bench.engine)
    assert bench.act(ANN, REPLAY, one)["result"] == "stored"
    assert (bench.is_stored(one), bench.is_dead(one)) == (True, False)


HOSTILE = {
    "50 MB": b'{"component":"' + b"x" * (50 << 20) + b'"}',
    "deep": b"[" * 60_000,
    "digits": b'{"component":' + b"9" * 60_000 + b"}",
    "surrogates": b'{"component":"a","message":"b\\ud800\\u0000"}',
    "no UTF-8": b"\xff\x00" * 30_000,
}


def test_bytes_of_any_size_and_kind_are_listed_shown_in_part_and_refused(bench: Bench) -> None:
    ids = dict(zip(HOSTILE, make_letters(bench.engine, len(HOSTILE)), strict=True))
    with bench.engine.begin() as connection:
        for name, raw in HOSTILE.items():
            change = dead_letters.update().where(dead_letters.c.id == UUID(ids[name]))
            connection.execute(change.values(event=raw, reason="x\r\nSet-Cookie: a=1"))
    with client(bench.running, ANN) as http:
        listed = http.get(LETTERS, params={"reason": "Set-Cookie"})
        assert "set-cookie" not in listed.headers
        found = {letter["id"]: letter for letter in listed.json()["dead_letters"]}
        for name, raw in HOSTILE.items():
            answer = http.get(f"{LETTERS}/{ids[name]}")
            assert len(answer.content) < 2 << 20
            assert answer.json()["is_whole"] == (len(raw) < 1 << 20)
            assert found[ids[name]]["size"] == answer.json()["size"] == len(raw)
        assert found[ids["surrogates"]]["message"] == "b\\ud800\x00"
        told = act(http, REPLAY, list(ids.values()))
        assert {one["result"] for one in told} == {"refused"}
        assert all(bench.is_dead(one) for one in ids.values())
        told = act(http, DISCARD, list(ids.values()))
    assert {one["result"] for one in told} == {"discarded"}
