"""What a user of control may do, asked without doing it: a missing right is told by a log only."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import redis
from redis.exceptions import NoPermissionError

from storage.redis import keys

Command = tuple[str, ...]

_KEY_ID = "doctor"  # of no key: an id has eight characters
_SAMPLE, _SESSIONS, _LIMIT = keys.minute_sample(0), keys.sessions(_KEY_ID), keys.limit(_KEY_ID)

USES: Mapping[str, Sequence[Command]] = {
    "the rates of the last hour are unknown": (
        ("HSETNX", _SAMPLE, "queue", "0"),
        ("EXPIRE", _SAMPLE, "1"),
        ("HGETALL", _SAMPLE),
    ),
    "nobody can sign in to the explorer": (
        ("ZREMRANGEBYSCORE", _SESSIONS, "-inf", "0"),
        ("ZADD", _SESSIONS, "0", "proof"),
        ("ZREMRANGEBYRANK", _SESSIONS, "0", "0"),
        ("EXPIRE", _SESSIONS, "1"),
        ("ZSCORE", _SESSIONS, "proof"),
        ("ZREM", _SESSIONS, "proof"),
    ),
    "each process lets the whole rate of a limited key pass": (
        ("HMGET", _LIMIT, "room"),
        ("HSET", _LIMIT, "room", "0"),
        ("PEXPIRE", _LIMIT, "1"),
    ),
    "a replay that was killed keeps pages out of the cache": (
        ("ZSCORE", keys.PENDING_WRITERS, "replay"),
    ),
    "followers of the feed learn late of new events": (
        ("PUBLISH", keys.STORED_CHANNEL, ""),
        ("SUBSCRIBE", keys.STORED_CHANNEL),
    ),
}
"""What does not work, and nothing but a log says so, if control refuses one of the commands."""


def refused_uses(client: redis.Redis) -> dict[str, str]:
    """Return what does not work, with the first of control's refusals. It changes nothing.

    A server checks rights when it queues a command of a transaction; this one is never executed.
    Raises redis-py's errors.
    """
    found: dict[str, str] = {}
    for use, refusal in _refusals(client):
        found.setdefault(use, refusal)
    return found


def _refusals(client: redis.Redis) -> Iterator[tuple[str, str]]:
    connection: Any = client.connection_pool.make_connection()
    try:
        _ask(connection, "MULTI")
        for use, commands in USES.items():
            for command in commands:
                try:
                    _ask(connection, *command)
                except NoPermissionError as error:
                    yield use, str(error)
    finally:
        connection.disconnect()  # drops the transaction: the right to DISCARD may be missing too


def _ask(connection: Any, *command: str) -> None:
    connection.send_command(*command)
    connection.read_response()
