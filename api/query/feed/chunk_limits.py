"""How many events a read for streams asks for, so that about a chunk is read. Pure."""

from api.query.feed.rendering import Chunk

MAX_EVENTS = 500
_REMEMBERED = 1000  # questions


class ChunkLimits:
    """The limits by question: where events are large, fewer fit in a chunk."""

    def __init__(self) -> None:
        self._limits: dict[str, int] = {}

    def get(self, name: str) -> int:
        """Return how many events to read."""
        return self._limits.get(name, MAX_EVENTS)

    def set(self, name: str, chunk: Chunk) -> None:
        """Learn from a chunk: read no more than fits, and then more again if all of it does."""
        if chunk.is_cut:
            if len(self._limits) >= _REMEMBERED:
                self._limits.clear()
            self._limits[name] = chunk.events
        elif name in self._limits and chunk.events:
            self._limits[name] = min(2 * self._limits[name], MAX_EVENTS)
