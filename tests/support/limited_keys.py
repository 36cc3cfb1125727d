"""A service whose keys have limits: what each may post and see."""

import json
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import pytest

from storage.access.api_key import Scope, admits
from storage.model.event import Event
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from tests.support.keys import TestKey, new_key, put_on_queue
from tests.support.reading import made, store

COMPONENTS = ["pay", "pay-a", "pay-b", "pay.", "pa", "web", "web-1", "é-1", "a_b", "axb"]
ENVIRONMENTS = ["prod", "prod-eu", "test"]
PATTERNS = ["pay", "pay-*", "pay*", "web", "web*", "é*", "a_b", "a_*", "%", "nobody", "p*"]
START_MS = 1_772_323_200_000
COUNT = 300

ALL = new_key()
PAY = new_key(components=("pay-*", "web"), environments=("prod*",))
ONE = new_key(components=("pay-a",))
READS_PAY = new_key(Scope.READ, components=("pay-*",))


class Limited(NamedTuple):
    """A service whose keys have limits, and the events that PostgreSQL has."""

    running: Service
    stored: list[Event]
    keys: list[TestKey]
    settings: StorageSettings


def random_keys(count: int) -> list[TestKey]:
    spread = Random(3)

    def some(values: list[str]) -> tuple[str, ...]:
        return tuple(spread.sample(values, spread.choice([0, 1, 1, 2, 3])))

    return [
        new_key(Scope.READ, components=some(PATTERNS), environments=some([*ENVIRONMENTS, "prod-*"]))
        for _ in range(count)
    ]


def stored_events() -> list[Event]:
    spread = Random(4)
    return [
        made(
            START_MS + spread.randrange(1000),
            component=spread.choice(COMPONENTS),
            environment=spread.choice(ENVIRONMENTS),
            message=f"order {spread.randrange(30)}",
            data=json.dumps({"n": spread.randrange(5)}),
        )
        for _ in range(COUNT)
    ]


@pytest.fixture(scope="module")
def limited(servers: TestServers) -> Iterator[Limited]:
    """Run a service that stores nothing: what is posted stays queued, and pages stay cached."""
    with servers.fresh() as settings:
        keys, stored = random_keys(25), stored_events()
        store(settings, stored)
        put_on_queue(settings, ALL, PAY, ONE, READS_PAY, *keys)
        with service(settings, workers=0, auth="required", cache_grace_ms=0) as running:
            yield Limited(running, stored, keys, settings)


def event(component: str, environment: str = "prod", **more: object) -> dict[str, object]:
    return {"component": component, "environment": environment, "message": "m", **more}


def is_within(key: TestKey, component: str, environment: str) -> bool:
    return admits(key.key.components, component) and admits(key.key.environments, environment)
