"""Readiness: what the servers answer to pings, of which few are under way at once."""

import asyncio

import pytest

from api.ops import health
from api.ops.health import Probes
from storage.errors import DatabaseUnavailable
from tests.support.event_loop import run

REQUESTS = 50


class Server:
    """A server that answers pings once it moves."""

    def __init__(self, moves: bool = True, error: Exception | None = None) -> None:
        self.moves = asyncio.Event()
        self.error = error
        self.pings = 0
        if moves:
            self.moves.set()

    async def ping(self) -> None:
        self.pings += 1
        await asyncio.sleep(0)
        await self.moves.wait()
        if self.error:
            raise self.error


def probes(*servers: Server) -> Probes:
    names = ("queue", "control", "database")
    return Probes({name: server.ping for name, server in zip(names, servers, strict=True)})


def test_requests_at_the_same_time_share_one_ping_of_each_server() -> None:
    async def scenario() -> None:
        servers = [Server() for _ in range(3)]
        asked = probes(*servers)
        for rounds in (1, 2):
            found = await asyncio.gather(*(asked.readiness("accept") for _ in range(REQUESTS)))
            assert {one.status for one in found} == {"ready"}
            assert [server.pings for server in servers] == [rounds] * 3
        await asked.close()

    run(scenario)


def test_a_server_that_hangs_is_pinged_once_until_it_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.05)

    async def scenario() -> None:
        hanging = Server(moves=False)
        asked = probes(Server(), Server(), hanging)
        for _ in range(3):
            found = await asyncio.gather(*(asked.readiness("query") for _ in range(REQUESTS)))
            assert {one.status for one in found} == {"unavailable"}
            assert found[0].dependencies is not None
            assert found[0].dependencies["database"].detail == "no answer within 0.05 s"
        assert hanging.pings == 1
        hanging.moves.set()
        monkeypatch.setattr(health, "PROBE_SECONDS", 60)
        assert (await asked.readiness("query")).status == "ready"
        assert hanging.pings == 2
        await asked.close()

    run(scenario)


def test_the_reason_of_a_server_that_is_down_is_told() -> None:
    async def scenario() -> None:
        asked = probes(Server(), Server(), Server(error=DatabaseUnavailable("away")))
        found = await asked.readiness("accept")
        assert found.status == "ready"
        assert found.dependencies is not None
        assert found.dependencies["database"].state == "down"
        assert found.dependencies["database"].detail
        assert (await asked.readiness("query")).status == "unavailable"
        await asked.close()

    run(scenario)


def test_a_request_that_goes_away_does_not_end_the_ping_of_the_others() -> None:
    async def scenario() -> None:
        server = Server(moves=False)
        asked = probes(server, Server(), Server())
        gone, waiting = (asyncio.create_task(asked.readiness("accept")) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        server.moves.set()
        assert (await waiting).status == "ready"
        assert server.pings == 1
        await asked.close()

    run(scenario)
