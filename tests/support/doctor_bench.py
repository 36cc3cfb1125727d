"""Servers for `activity doctor`: healthy ones, and ways to plant what it must find."""

import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
import redis
import sqlalchemy as sa

from cli.doctor.check import Finding
from cli.doctor.examination import examine
from cli.doctor.machine import Machine
from cli.doctor.subject import RunFacts, Subject, open_subject
from cli.main import parser
from storage.access.api_key import ApiKey, Scope
from storage.access.key_queue import KeyQueue
from storage.events.hour_counter import count_missing
from storage.postgres import partitions
from storage.postgres.engine import plain_engine, transaction
from storage.redis import keys
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.servers import TestServers
from tests.support.own_queue import own_queue

DAYS_AHEAD = 8

Findings = dict[str, Finding]


def findings_of(settings: StorageSettings) -> Findings:
    """Return what the doctor finds with these settings, by the name of the check."""
    with open_subject(settings) as subject:
        return {each.check.name: each.finding for each in examine(subject)}


@dataclass
class Bench:
    """Servers that are right when a test begins; what it plants ends with `stack`."""

    settings: StorageSettings
    servers: TestServers
    stack: ExitStack
    machine: Machine = field(default_factory=Machine)
    run: RunFacts | None = None
    environment: dict[str, str] = field(default_factory=lambda: {"ACTIVITY_HOST": "127.0.0.1"})

    @property
    def queue(self) -> redis.Redis:
        """Return a client of the queue."""
        return self._client(self.settings.queue_url)

    @property
    def control(self) -> redis.Redis:
        """Return a client of control."""
        return self._client(self.settings.control_url)

    def _client(self, url: str) -> redis.Redis:
        client = connect(url)
        self.stack.callback(client.close)
        return client

    def change(self, **settings: Any) -> None:
        """Change settings, as another `.env` would."""
        self.settings = self.settings.model_copy(update=settings)

    def use(self, role: str, maxmemory: str = "64mb", **settings: str) -> None:
        """Use another server as the queue or as control, with these settings of Valkey."""
        server = self.stack.enter_context(own_queue(maxmemory, **settings))
        server.start()
        self.change(**{f"{role}_url": server.url})
        if role == "queue":
            self.announce(self.settings.shards)

    def announce(self, shards: int) -> None:
        """Announce a number of shards, as an API process does."""
        self.queue.zadd(keys.SHARD_COUNT, {"count": shards})

    def add_key(self, key_id: str = "3kTMd9fa", **more: Any) -> None:
        """Put an API key on the queue, as while PostgreSQL was away."""
        created_at = datetime.now(UTC) - timedelta(days=90)
        fields: dict[str, Any] = {"name": "shop", "scopes": frozenset({Scope.WRITE}), **more}
        key = ApiKey(key_id, bytes(32), created_at=created_at, **fields)
        KeyQueue(self.queue).merge({key_id: key})

    def sql(self, statement: str) -> None:
        """Run a statement in the test's database, and commit."""
        engine = plain_engine(self.settings.database_url)
        self.stack.callback(engine.dispose)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(statement)

    def alter_system(self, name: str, value: str) -> None:
        """Change a setting of the shared server until the test ends."""
        reload = "SELECT pg_reload_conf()"
        self.stack.callback(self.servers.execute, reload)
        self.stack.callback(self.servers.execute, f"ALTER SYSTEM RESET {name}")
        self.servers.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.servers.execute(reload)

    def examine(self) -> Findings:
        """Run every check."""
        with (
            mock.patch.dict(os.environ, self.environment),
            mock.patch.object(Subject, "activity", _checked(Subject.activity)),
            open_subject(self.settings, self.run, self.machine) as subject,
        ):
            return {each.check.name: each.finding for each in examine(subject)}


@pytest.fixture
def bench(settings: StorageSettings, servers: TestServers) -> Iterator[Bench]:
    """Give servers on which an API process and a worker seem to run."""
    with ExitStack() as stack:
        found = Bench(settings, servers, stack)
        make_partitions(settings)
        found.announce(settings.shards)
        register_worker(found.control)
        yield found


def _checked(activity: Callable[..., str]) -> Callable[..., str]:
    """Require each command line in a remedy to be one that the command can parse."""

    def checked(subject: Subject, *words: str) -> str:
        line = activity(subject, *words)
        parser().parse(shlex.split(line)[1:])
        return line

    return checked


def make_partitions(settings: StorageSettings) -> None:
    engine = plain_engine(settings.database_url)
    now = datetime.now(UTC)
    wanted = [now - timedelta(hours=1), *partitions.ahead(now, DAYS_AHEAD, settings.partition_by)]
    with transaction(engine) as connection:
        partitions.ensure(connection, wanted, settings.partition_by)
    count_missing(engine)
    engine.dispose()


def register_worker(control: redis.Redis) -> None:
    """Register a worker as RQ does."""
    control.sadd("rq:workers:drain", "rq:worker:planted")
    control.hset("rq:worker:planted", "birth", time.time())


def open_transaction(bench: Bench) -> sa.Connection:
    """Leave a transaction open until the test ends."""
    engine = plain_engine(bench.settings.database_url)
    bench.stack.callback(engine.dispose)
    connection = bench.stack.enter_context(engine.connect())
    connection.exec_driver_sql("SELECT 1")
    return connection
