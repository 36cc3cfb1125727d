"""What all connections of a process share: the room for what comes in and what goes out."""

from dataclasses import dataclass

from api.http.request_body import Room
from api.server.unread_answers import UnreadAnswers
from api.settings import ApiSettings


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Bodies that are read, answers that are not read yet, and the most connections."""

    bodies: Room
    unfinished: Room  # what no route has taken yet
    answers: UnreadAnswers
    connections: int

    @classmethod
    def of(cls, settings: ApiSettings) -> "ProcessMemory":
        """Return it with the bounds that are set."""
        return cls(
            Room(settings.body_memory_bytes),
            Room(settings.body_memory_bytes),
            UnreadAnswers(settings.answer_memory_bytes, settings.answer_seconds),
            settings.connections,
        )
