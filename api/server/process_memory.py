"""What all connections of a process share: the room for what comes in and what goes out."""

from dataclasses import dataclass

from api.http.memory_budget import MemoryBudget
from api.server.unread_answers import UnreadAnswers
from api.settings import ApiSettings


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Bodies that are read, answers that are not read yet, and the most connections."""

    bodies: MemoryBudget
    unfinished: MemoryBudget  # what no route has taken yet
    answers: UnreadAnswers
    connections: int

    @classmethod
    def of(cls, settings: ApiSettings) -> "ProcessMemory":
        """Return it with the bounds that are set."""
        return cls(
            MemoryBudget(settings.body_memory_bytes),
            MemoryBudget(settings.body_memory_bytes),
            UnreadAnswers(settings.answer_memory_bytes, settings.answer_seconds),
            settings.connections,
        )
