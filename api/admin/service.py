"""What administrators may do over HTTP, with its connections to the servers."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from api.admin.dead_letters import DeadLetterAdmin
from api.admin.erasures import ErasureAdmin
from api.admin.keys import KeyAdmin
from api.admin.threads import AdminThreads
from storage.access.homes import KeyHomes
from storage.cache.invalidation import CacheInvalidator
from storage.dead_letters import DeadLetters
from storage.erasure.eraser import Servers
from storage.postgres.engine import admin_engine
from storage.redis.client import connect
from storage.settings import StorageSettings

QUEUE_SECONDS = 3.0  # redis-py tries a few times


@dataclass(frozen=True)
class Admin:
    """The acts of administrators."""

    threads: AdminThreads
    dead_letters: DeadLetterAdmin
    keys: KeyAdmin
    erasures: ErasureAdmin

    def end(self) -> None:
        """End acts of many steps after the step that runs."""
        self.threads.stopping.set()


def open_admin(stack: AsyncExitStack, storage: StorageSettings) -> Admin:
    """Open the connections, which are made when they are first used, and close them with `stack`.

    A replay that a killed process has left behind is ended now, in the background.
    """
    engine, control = admin_engine(storage.database_url), connect(storage.control_url)
    queue = connect(storage.queue_url, QUEUE_SECONDS)
    for close in (engine.dispose, control.close, queue.close):
        stack.callback(close)
    invalidator, threads = CacheInvalidator(control), AdminThreads()

    def dead_letters(actor: str | None) -> DeadLetters:
        return DeadLetters(engine, storage.partition_by, invalidator, actor)

    admin = Admin(
        threads,
        DeadLetterAdmin(threads, dead_letters),
        KeyAdmin(threads, KeyHomes(queue, engine)),
        ErasureAdmin(threads, Servers(engine, queue, control, storage.shards)),
    )
    abandoned = asyncio.create_task(admin.dead_letters.end_abandoned_replay())
    stack.push_async_callback(asyncio.wait, [abandoned])
    return admin
