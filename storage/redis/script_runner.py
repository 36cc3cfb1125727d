"""The Lua scripts: each is a file of its own with its legend, and runs as one atomic step."""

from collections.abc import Awaitable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast, overload

import redis
import redis.asyncio
from redis.commands.core import AsyncScript, Script
from redis.exceptions import NoScriptError

from storage.redis.cluster import AsyncCluster, Cluster

_STORAGE = Path(__file__).parents[1]

Argument = bytes | int | str


@overload
def run(
    client: redis.asyncio.Redis, name: str, keys: Sequence[str], args: Iterable[Argument] = ()
) -> Awaitable[Any]: ...


@overload
def run(
    client: redis.Redis, name: str, keys: Sequence[str], args: Iterable[Argument] = ()
) -> Any: ...


def run(
    client: redis.Redis | redis.asyncio.Redis,
    name: str,
    keys: Sequence[str],
    args: Iterable[Argument] = (),
) -> Any:
    """Run a script and return its answer; with an asyncio client, return an awaitable of it.

    Only the script's digest is sent. A server that does not know it, as after a restart, answers
    NOSCRIPT: then redis-py sends the script and runs it again. In a pipeline the answer comes with
    `execute`, which first asks the server for the scripts that it knows. If that fails, redis-py
    keeps the connection: open the pipeline with `async with`, which gives it back.
    """
    if isinstance(client, redis.asyncio.Redis):
        return _asyncio_script(name)(keys, args, client)
    if isinstance(client, AsyncCluster):
        return _run_on_cluster_async(client, _asyncio_script(name), keys, tuple(args))
    if isinstance(client, Cluster):
        return _run_on_cluster(client, _script(name), keys, tuple(args))
    return _script(name)(keys, args, client)


def digest(name: str) -> str:
    """Return the digest of a script, for a pipeline whose answers must come in one round trip."""
    return _asyncio_script(name).sha


# On a cluster redis-py would send a script that one server does not know to each of them, and fail
# if one is away. EVAL goes to the server of the keys, and makes the script known there.
async def _run_on_cluster_async(
    client: AsyncCluster, script: AsyncScript, keys: Sequence[str], args: Sequence[Argument]
) -> Any:
    try:
        return await client.execute_at(keys[0], "EVALSHA", script.sha, len(keys), *keys, *args)
    except NoScriptError:
        return await client.execute_at(keys[0], "EVAL", script.script, len(keys), *keys, *args)


def _run_on_cluster(
    client: Cluster, script: Script, keys: Sequence[str], args: Sequence[Argument]
) -> Any:
    try:
        return client.evalsha(script.sha, len(keys), *keys, *args)
    except NoScriptError:
        return client.eval(script.script, len(keys), *keys, *args)  # type: ignore[arg-type]


@cache
def source(name: str) -> str:
    """Return the text of a script, with its folder's `common.lua` inserted after the first line.

    `queue/append` is `queue/lua/append.lua`, and so on.
    """
    package, script_name = name.split("/")
    script = _STORAGE / package / "lua" / f"{script_name}.lua"
    first, rest = script.read_text().split("\n", 1)
    return f"{first}\n{script.with_name('common.lua').read_text()}{rest}"


# Registered with no client, once in a process: `run` names the client of each call, and a script in
# bytes needs no client's encoding.
_NO_CLIENT = cast(Any, None)


@cache
def _script(name: str) -> Script:
    return Script(_NO_CLIENT, source(name).encode())


@cache
def _asyncio_script(name: str) -> AsyncScript:
    return AsyncScript(_NO_CLIENT, source(name).encode())
