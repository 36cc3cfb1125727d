"""Erasures for administrators: begin one, and see how far each is. Workers go through the steps."""

from typing import Any
from uuid import UUID

from api.admin.bodies import EraseBody
from api.admin.threads import AdminThreads
from api.http.problems import Problem
from storage.erasure import records
from storage.erasure.eraser import Eraser, Servers
from storage.erasure.records import Erasure
from storage.model.erasing import Address
from storage.postgres.engine import transaction


class ErasureAdmin:
    """What administrators do about erasures. Every call raises DatabaseUnavailable."""

    def __init__(self, threads: AdminThreads, servers: Servers) -> None:
        self._threads = threads
        self._engine = servers.engine
        self._eraser = Eraser(servers)

    async def begin(self, body: EraseBody, actor: str) -> dict[str, Any]:
        """Begin an erasure, and return it. Raises QueueUnavailable too."""
        address = Address.of(body.email)
        begun = await self._threads.run(lambda: self._eraser.begin(address, actor, body.rewrite))
        return records.shown(begun)

    async def newest(self, limit: int) -> dict[str, Any]:
        """Return the latest ones, the latest first."""

        def read() -> list[Erasure]:
            with transaction(self._engine) as connection:
                return records.newest(connection, limit)

        return {"erasures": list(map(records.shown, await self._threads.run(read)))}

    async def find(self, erasure: UUID) -> dict[str, Any]:
        """Return one. Raises Problem 404."""

        def read() -> Erasure | None:
            with transaction(self._engine) as connection:
                return records.get(connection, erasure)

        found = await self._threads.run(read)
        if found is None:
            raise Problem(404, "No erasure has this ID.")
        return records.shown(found)
