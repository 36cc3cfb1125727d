"""What operators ask PostgreSQL, each in a thread."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from storage.events.figures import HistoryFigures, read_figures
from storage.events.ledger import Account, Ledger, read_accounts, read_ledger

InThread = Callable[[Callable[[], Any]], Awaitable[Any]]


class DatabaseReads:
    """What operators ask PostgreSQL, in threads. Each call raises DatabaseUnavailable."""

    def __init__(self, in_thread: InThread, engine: Any) -> None:
        """`in_thread` runs a function in a thread, within bounds."""
        self._in_thread = in_thread
        self._engine = engine

    def ledger(self) -> Awaitable[Ledger]:
        """Read the ledger of all shards."""
        return self._in_thread(partial(read_ledger, self._engine))

    def accounts(self) -> Awaitable[dict[int, Account]]:
        """Read what became of each shard's events."""
        return self._in_thread(partial(read_accounts, self._engine))

    def figures(self) -> Awaitable[HistoryFigures]:
        """Read the figures of the history that metrics show."""
        return self._in_thread(partial(read_figures, self._engine))
