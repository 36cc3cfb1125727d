"""The memory budgets that all connections of a process share."""

from dataclasses import dataclass

from api.http.memory_budget import MemoryBudget
from api.server.unread_answers import UnreadAnswers
from api.settings import ApiSettings


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Budgets for request bodies and for unread answers, and the maximum number of connections."""

    bodies: MemoryBudget
    unfinished: MemoryBudget  # of requests that no route reads yet
    answers: UnreadAnswers
    connections: int

    @classmethod
    def of(cls, settings: ApiSettings) -> "ProcessMemory":
        """Return the budgets that the settings ask for."""
        return cls(
            MemoryBudget(settings.body_memory_bytes),
            MemoryBudget(settings.body_memory_bytes),
            UnreadAnswers(settings.answer_memory_bytes, settings.answer_seconds),
            settings.connections,
        )
