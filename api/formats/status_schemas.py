"""The answers that tell the state of the service: for the OpenAPI document and for validation."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class Dependency(BaseModel):
    """A server that this service needs, and whether it answers."""

    state: Literal["up", "down"]
    detail: str | None = None


class Readiness(BaseModel):
    """Whether the requested purpose can be served now."""

    status: Literal["ready", "unavailable"]
    dependencies: dict[str, Dependency] | None = Field(
        None, description="The servers; only for who may observe the service."
    )


class Liveness(BaseModel):
    """This process is alive."""

    status: Literal["healthy"] = "healthy"


class ShardStatus(BaseModel):
    """One shard. In the queue `accepted = trimmed + backlog`; PostgreSQL accounts for the rest."""

    shard: int
    state: Literal["idle", "queued", "draining", "expired"]
    backlog: int = Field(description="Queued events that are not stored yet.")
    bytes: int = Field(description="The size of the backlog.")
    lag_seconds: float | None = Field(
        description="The age of the oldest queued event. null: its id is ahead of the clock."
    )
    accepted: int
    trimmed: int = Field(description="Events that left the queue, each after its commit.")
    stored: int | None = Field(None, description="Rows that PostgreSQL inserted.")
    duplicates: int | None = Field(None, description="Events that PostgreSQL already had.")
    dead: int | None = Field(None, description="Events that PostgreSQL refused: dead letters.")
    erased: int | None = Field(
        None, description="Events that drains dropped because their person was erased."
    )
    foreign: int = Field(
        description="Entries that this service did not append: rows or dead letters now."
    )
    last_error: str | None = Field(
        None,
        description="Why the last drain ended early. New events go to other shards until a batch "
        "is stored.",
    )


class Conservation(BaseModel):
    """Whether every accepted event is stored, queued, a duplicate, a dead letter or erased."""

    balanced: bool | None = Field(description="null: PostgreSQL or the queue does not answer.")
    accepted: int
    witnessed: int | None = Field(
        None,
        description="accepted + lost: what API processes know the queue to have accepted.",
    )
    lost: int | None = Field(
        None,
        description="Accepted events that the queue counted once and does not know any more, as "
        "after a failover, except those that it had trimmed; null: unknown.",
    )
    trimmed: int
    backlog: int
    foreign: int = Field(
        description="Entries that were not appended by this service and have left the queue."
    )
    foreign_backlog: int = Field(description="Foreign entries in the backlog.")
    queue_unaccounted: int = Field(
        description="accepted - trimmed - (backlog - foreign_backlog): should be 0."
    )
    accounted: int | None = Field(
        None, description="stored + duplicates + dead + erased in PostgreSQL."
    )
    untrimmed: int | None = Field(
        None, description="Committed, but still in the queue: accounted - trimmed - foreign."
    )
    since: datetime | None = Field(None, description="When counting began.")


class QueueStatus(BaseModel):
    """Whether the queue keeps acknowledged events."""

    durability: Literal["checked", "weak", "unknown", "stated"] = Field(
        description="`checked`: its configuration keeps events, and a write was fsynced; `weak`: "
        "it may lose events; `unknown`: the queue does not tell; `stated`: not checked, because of "
        "ACTIVITY_QUEUE_DURABILITY=trusted."
    )
    replicas: int | None = Field(
        description="Replicas of the queue: without `replicas_awaited` a failover loses what they "
        "have not received. null: the queue does not tell."
    )
    replicas_awaited: int = Field(
        description="Replicas that must have events on their disk before these are acknowledged "
        "(ACTIVITY_QUEUE_REPLICAS)."
    )


class StandbyStatus(BaseModel):
    """A standby of `ACTIVITY_READ_URL`, as the API process that answers knows it."""

    name: str = Field(description="Its host and port.")
    state: Literal["reading", "behind", "away", "unknown"] = Field(
        description="`reading`: readers use it. Otherwise they use the primary: `behind`, it lacks "
        "commits that a reader may know of; `away`, it can't be used; `unknown`, nobody knows "
        "which commits it must have, as after control has lost its data."
    )
    lag_bytes: int | None = Field(
        description="Bytes of WAL that it must replay to have every commit that a reader may know "
        "of. null: unknown."
    )
    lag_seconds: float | None = Field(
        description="Age of the last commit that it has replayed; 0 if `lag_bytes` is. null: "
        "unknown."
    )


class StatusAnswer(BaseModel):
    """The state of the service. Unknown values are null, and `attention` says why."""

    status: Literal["ok", "attention"]
    attention: list[str] = Field(description="Problems that an operator should look at.")
    backlog: int | None = Field(
        description="Queued events that are not stored yet. null: the queue does not answer."
    )
    backlog_bytes: int | None
    lag_seconds: float | None
    stored_per_second: float | None = Field(
        description="Over the last seconds. null: the queue does not answer, or not measured yet."
    )
    queue: QueueStatus | None = Field(description="null: the queue does not answer.")
    queue_memory_ratio: float | None = Field(
        description="The share of the queue's memory limit that is in use. null: it has no limit, "
        "or does not tell."
    )
    workers: int | None
    workers_wanted: int | None = Field(
        description="How many worker processes store what is accepted, and the backlog within "
        "30 s. null: queue or control does not answer, or a rate is not measured yet."
    )
    refused_jobs: int | None = Field(
        description="Entries of RQ's list that were not drains and were dropped recently."
    )
    dead_letters: int | None
    conservation: Conservation | None
    shards: list[ShardStatus] | None
    standbys: list[StandbyStatus] = Field(
        description="The standbys that readers may use; none: they use the primary."
    )
    version: str = Field(description="The version of the service.")
    uptime_seconds: float = Field(description="The uptime of the API process that answers.")
