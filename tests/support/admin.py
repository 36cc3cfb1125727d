"""Acts of administrators over HTTP, and what they leave."""

from typing import Any

import httpx
import sqlalchemy as sa

from storage.postgres.tables import audit_log
from tests.support.queued import add_dead_letter, make_event

LETTERS = "/admin/dead-letters"
REPLAY, DISCARD = (f"{LETTERS}/{act}" for act in ("replay", "discard"))


def make_letters(engine: sa.Engine, count: int, component: str = "orders") -> list[str]:
    """Make dead letters; return their ids, the newest first."""
    made = [make_event(f"number {n}", component=component) for n in range(count)]
    for event in made:
        add_dead_letter(engine, event)
    return sorted((event.id for event in made), reverse=True)


def execute(engine: sa.Engine, statement: Any) -> None:
    with engine.begin() as connection:
        connection.execute(statement)


def act(http: httpx.Client, path: str, ids: list[str]) -> list[dict[str, Any]]:
    answer = http.post(path, json={"ids": ids})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def results(found: list[dict[str, Any]]) -> dict[str, str]:
    return {one["id"]: one["result"] for one in found}


def audit(engine: sa.Engine) -> list[tuple[str, ...]]:
    with engine.begin() as connection:
        rows = connection.execute(sa.select(audit_log).order_by(audit_log.c.at)).all()
    return [(row.actor, row.action, row.target, row.result) for row in rows]


def make_key(http: httpx.Client, name: str, **more: Any) -> dict[str, Any]:
    answer = http.post("/admin/keys", json={"name": name, "scopes": ["write"], **more})
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    return found
