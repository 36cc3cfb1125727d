"""Close clients when the process exits, and reset them in a forked child."""

import atexit
import multiprocessing
import os
from multiprocessing.util import Finalize, register_after_fork
from typing import Protocol
from weakref import WeakSet

from activity_client.sender import forget_sending_threads

_EXIT_PRIORITY = 100  # multiprocessing runs higher priorities first


class Client(Protocol):
    """The part of a client that an exit and a fork use."""

    closed_by_others: bool

    def close(self) -> bool:
        """Send buffered events."""

    def renew(self) -> None:
        """Start with an empty buffer."""


_all: WeakSet[Client] = WeakSet()
_used: set[Client] = set()  # strong references: no client is collected before its events are sent


def created(client: Client) -> None:
    """Register a client to be renewed after a fork."""
    _all.add(client)


def used(client: Client) -> None:
    """Register a client to be closed before the process exits, because it has events."""
    _used.add(client)


def closed(client: Client) -> None:
    """Forget a closed client."""
    _used.discard(client)


def _close_at_exit() -> None:
    for client in list(_used):
        if not client.closed_by_others:
            client.close()


def _close_in_child() -> None:
    if multiprocessing.parent_process() is not None:
        for client in list(_used):
            client.close()


def _after_fork_in_child() -> None:
    _used.clear()
    forget_sending_threads()
    for client in list(_all):
        client.renew()


def _arm_child(_: object) -> None:
    Finalize(None, _close_in_child, exitpriority=_EXIT_PRIORITY)


# At import: atexit runs handlers in reverse order, so those registered later may still send events.
atexit.register(_close_at_exit)
# A child of multiprocessing exits without atexit; a forked one loses earlier finalizers.
_arm_child(None)
register_after_fork(_all, _arm_child)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
