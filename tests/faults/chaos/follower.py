"""Follow the feed during the whole run, and compare what came with what is stored."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from storage.errors import DatabaseUnavailable
from storage.feed.position import Position
from storage.feed.reader import FeedReader
from storage.model.filters import Filters
from storage.postgres.engine import reading_engine

PAUSE_SECONDS = 0.2
END_SECONDS = 60.0
_ALL = Filters()
_LIMITS = (1, 50, 1000)


@dataclass(frozen=True)
class Followed:
    """What a reader of the feed got: `events`; those that it missed, and those that came twice."""

    events: int
    connections: int
    missed: Sequence[str]
    twice: Sequence[str]


class Follower:
    """A thread that connects anew for every few pages, with nothing but its position as text."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._text = b""
        self._seen: list[str] = []
        self._connections = 0
        self._stop = threading.Event()

    def stop(self) -> None:
        """Stop the thread."""
        self._stop.set()

    def follow(self) -> None:
        """Follow until `stop`; whatever fails is tried again."""
        while not self._stop.wait(PAUSE_SECONDS):
            self._connect()

    def finish(self, stored: Sequence[str]) -> Followed:
        """Read to the end, and compare with what is stored. Raises DatabaseUnavailable."""
        ended = threading.Timer(END_SECONDS, self._stop.set)
        self._stop.clear()
        ended.start()
        while self._connect() and not self._stop.is_set():
            pass
        ended.cancel()
        found = Counter(self._seen)
        missed = [event_id for event_id in stored if event_id not in found]
        twice = [event_id for event_id, times in found.items() if times > 1]
        return Followed(len(self._seen), self._connections, missed, twice)

    def _connect(self) -> bool:
        """Read some pages over a new connection. Return whether more may be left."""
        self._connections += 1
        engine = reading_engine(self._url, 1)
        try:
            reader = FeedReader(engine)
            behind = [self._read(reader, limit) for limit in _LIMITS]
        except DatabaseUnavailable:
            return True
        finally:
            engine.dispose()
        return behind[-1] > 0

    def _read(self, reader: FeedReader, limit: int) -> int:
        if not self._text:
            self._text = msgspec.json.encode(reader.start())
        position = msgspec.json.decode(self._text, type=Position)
        page = reader.read(position, _ALL, limit)
        self._text = msgspec.json.encode(page.next)
        self._seen += [event.id for event in page.events]
        return page.behind


@contextmanager
def followed(database_url: str) -> Iterator[Follower]:
    """Run a follower for the block."""
    follower = Follower(database_url)
    thread = threading.Thread(target=follower.follow)
    thread.start()
    try:
        yield follower
    finally:
        follower.stop()
        thread.join()
