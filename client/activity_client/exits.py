"""The end of the process, and its doubling by a fork."""

import atexit
import multiprocessing
import os
from multiprocessing.util import Finalize, register_after_fork
from typing import Protocol
from weakref import WeakSet

from activity_client.sender import forget_sending_threads

_EXIT_PRIORITY = 100  # multiprocessing ends the higher ones first


class Client(Protocol):
    """What an exit and a fork need of a client."""

    closed_by_others: bool

    def close(self) -> bool: ...

    def renew(self) -> None: ...


_all: WeakSet[Client] = WeakSet()
_used: set[Client] = set()  # held, so that none is gone before what it holds is sent


def created(client: Client) -> None:
    """It must be renewed after a fork."""
    _all.add(client)


def used(client: Client) -> None:
    """It has something to send: it must be closed before the process ends."""
    _used.add(client)


def closed(client: Client) -> None:
    """Nothing is left to do for it."""
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


# At the import, so that what others register later, and may send events, comes before.
atexit.register(_close_at_exit)
# A child of multiprocessing ends without atexit; a forked one forgets what was registered before.
_arm_child(None)
register_after_fork(_all, _arm_child)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
