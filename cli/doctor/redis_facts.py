"""What the queue and control tell of themselves; each fact is read once, when it is needed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from cli.doctor.address import is_local_redis, redis_command
from cli.doctor.errors import NotKnown
from cli.doctor.machine import Machine
from cli.doctor.server import Server
from storage.access.key_queue import KeyQueue
from storage.access.key_records import KeyRecords
from storage.errors import QueueUnavailable
from storage.queue.cluster_inspector import inspector_of
from storage.queue.inspector import Inspector, QueueServer, ShardState
from storage.queue.registry import Registry, read_registry
from storage.queue.shard_count import announced_shards, shard_count_names
from storage.redis.client import connect_async, primary_addresses
from storage.redis.inspection import ANSWER_SECONDS, RedisInspection
from storage.redis.primary_lease import SETTLE_SECONDS
from storage.redis_hosts import Kind, redis_hosts
from storage.server_errors import control_errors, queue_errors
from storage.settings import StorageSettings

_SERVER_SECONDS = 4 * ANSWER_SECONDS + SETTLE_SECONDS  # for two questions, and a pause
_PROGRAMS = ("valkey-server", "redis-server")

T = TypeVar("T")


class RedisFacts(Server):
    """Facts of one Redis server. Every fact raises `NotKnown`."""

    topology: Kind | None = None  # what promotes a replica of this server

    def __init__(self, name: str, url: str, inspection: RedisInspection, machine: Machine) -> None:
        super().__init__(name)
        self._url = url
        self._inspection = inspection
        self._machine = machine

    def ping(self) -> None:
        """Check that it answers."""
        self.ask(self._inspection.ping)

    def close(self) -> None:
        """Close the connection."""
        self._inspection.close()

    def command(self, *words: str) -> str:
        """Return the command line that sends these words to the server."""
        return redis_command(self._url, *words, follow=self.topology == "cluster")

    def setting(self, name: str) -> str:
        """Return one setting, by CONFIG GET."""
        found = self.ask(lambda: self._inspection.settings(name))
        if name not in found:
            raise NotKnown(f"{self.name} has no setting {name}")
        return found[name]

    def time(self) -> float:
        """Return its clock."""
        return self.ask(self._inspection.time)

    def told(self, name: str) -> Any:
        """Return a field of INFO."""
        if name not in self.info:
            raise NotKnown(f"{self.name} does not tell its {name} (INFO)")
        return self.info[name]

    @cached_property
    def info(self) -> Mapping[str, Any]:
        """Return INFO."""
        return self.ask(self._inspection.info)

    @property
    def is_here(self) -> bool:
        """Return whether the server runs on this machine."""
        if self._url.startswith("unix:"):
            return True
        return is_local_redis(self._url) and self._machine.is_program(
            int(self.told("process_id")), _PROGRAMS
        )

    @property
    def folder(self) -> Path:
        """Return the folder of its data, on this machine."""
        if not self.is_here:
            raise NotKnown(f"{self.name} runs on another machine, or in a container")
        return Path(self.setting("dir"))


class QueueFacts(RedisFacts):
    """Facts of the queue."""

    def __init__(self, settings: StorageSettings, machine: Machine) -> None:
        url = settings.queue_url
        super().__init__("the queue", url, RedisInspection(url, queue_errors), machine)
        self._settings = settings

    @cached_property
    def servers(self) -> Sequence[RedisFacts]:
        """Return the facts of each server that takes events: this one, or each primary now."""
        several = redis_hosts(self._url)
        if several is None:
            return [self]
        addresses = self.ask(self._addresses)
        return [self._server(several.kind, address) for address in addresses]

    def ping(self) -> None:
        """Check that each of its servers answers."""
        for server in self.servers:
            if server is self:
                super().ping()
                continue
            try:
                server.ping()
            except NotKnown:
                self.give_up(server.away)
                raise

    def time(self) -> float:
        """Return the clock of its first server."""
        first = self.servers[0]
        return super().time() if first is self else first.time()

    def command(self, *words: str) -> str:
        """Return the command line that sends these words to a server that takes events."""
        first = self.servers[0]
        return super().command(*words) if first is self else first.command(*words)

    def close(self) -> None:
        """Close the connections."""
        super().close()
        for server in self.__dict__.get("servers", ()):
            if server is not self and not server.away:
                server.close()

    def _addresses(self) -> list[str]:
        with queue_errors():
            return primary_addresses(self._url)

    def _server(self, kind: Kind, address: str) -> RedisFacts:
        host = f" ({urlsplit(address).hostname}:{urlsplit(address).port})" * (kind == "cluster")
        inspection = RedisInspection(address, queue_errors)
        server = RedisFacts(f"{self.name}{host}", address, inspection, self._machine)
        server.topology = kind
        return server

    @cached_property
    def announced_shards(self) -> float | None:
        """Return the highest number of shards that an API process has announced."""
        return self.ask(self._announced)

    def forget_shards(self) -> list[str]:
        """Return the command lines that remove what was announced."""
        names = shard_count_names(self._inspection.client, self._settings.shards)
        return [self.command("DEL", name) for name in names]

    def _announced(self) -> float | None:
        with queue_errors():
            return announced_shards(self._inspection.client, self._settings.shards)

    @cached_property
    def shards(self) -> list[ShardState]:
        """Return the state of each shard."""
        return self.read_shards()

    def read_shards(self) -> list[ShardState]:
        """Read the state of each shard again."""
        return self.ask(lambda: self._inspect(lambda inspector: inspector.shards()))

    @cached_property
    def keys(self) -> KeyRecords:
        """Return the API keys that this home has."""
        return self.ask(lambda: KeyQueue(self._inspection.client).load()[1])

    @cached_property
    def server(self) -> QueueServer:
        """Return what `GET /status` says of the server: a write was tried, and its fsync."""
        return self.ask(lambda: self._inspect(self._settled_server, _SERVER_SECONDS))

    async def _settled_server(self, inspector: Inspector) -> QueueServer:
        """Ask again where Sentinels may be away: the others are sure after a while only."""
        found = await inspector.server()
        several = redis_hosts(self._url)
        if found.shortage and several and several.kind == "sentinel":
            await asyncio.sleep(SETTLE_SECONDS)
            found = await inspector.server()
        return found

    def _inspect(
        self, question: Callable[[Inspector], Awaitable[T]], seconds: float = 2 * ANSWER_SECONDS
    ) -> T:
        return asyncio.run(self._answer(question, seconds))

    async def _answer(self, question: Callable[[Inspector], Awaitable[T]], seconds: float) -> T:
        client = connect_async(self._settings.queue_url, connections=2)
        try:
            async with asyncio.timeout(seconds):
                return await question(inspector_of(client, self._settings))
        except TimeoutError:
            raise QueueUnavailable(f"the queue did not answer within {seconds:g} s") from None
        finally:
            await client.aclose()


class ControlFacts(RedisFacts):
    """Facts of control."""

    def __init__(self, settings: StorageSettings, machine: Machine) -> None:
        url = settings.control_url
        super().__init__("control", url, RedisInspection(url, control_errors), machine)

    @cached_property
    def registry(self) -> Registry:
        """Return the registered workers."""
        return self.ask(lambda: read_registry(self._inspection.client))

    @cached_property
    def refused_uses(self) -> Mapping[str, str]:
        """Return what does not work because this user lacks a right, and control's refusals."""
        return self.ask(self._inspection.refused_uses)
