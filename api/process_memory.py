"""What all connections of a process share: the room for what comes in and what goes out."""

from dataclasses import dataclass

from api.body_reader import Room
from api.settings import ApiSettings
from api.unread_answers import UnreadAnswers


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
