"""The Lua scripts: each is a file of its own with its legend, and runs as one atomic step."""

from collections.abc import Awaitable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast, overload

import redis
import redis.asyncio
from redis.commands.core import AsyncScript, Script

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
    return _script(name)(keys, args, client)


def digest(name: str) -> str:
    """Return the digest of a script, for a pipeline whose answers must come in one round trip."""
    return _asyncio_script(name).sha


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
