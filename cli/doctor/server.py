"""One server that is asked many questions: once it is away, none of the others is asked."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from cli.doctor.errors import NotKnown
from storage.errors import StorageError
from storage.failures import reason
from storage.server_errors import refusal

T = TypeVar("T")


class Server(ABC):
    """What is known of a server's being there. For one thread at a time."""

    def __init__(self, name: str) -> None:
        """`name`: how sentences name the server."""
        self.name = name
        self._away = ""

    @abstractmethod
    def ping(self) -> None:
        """Check that the server answers this user. Raises `NotKnown`."""

    @abstractmethod
    def time(self) -> float:
        """Return the server's clock in seconds since the epoch. Raises `NotKnown`."""

    @property
    def away(self) -> str:
        """Return the sentence that says why no question is asked any more, empty if one may be."""
        return self._away

    def give_up(self, why: str) -> None:
        """Ask no question any more."""
        self._away = self._away or why

    def ask(self, question: Callable[[], T]) -> T:
        """Return the answer. Raises `NotKnown` if the server is away or refuses this question."""
        if self._away:
            raise NotKnown(f"{self.name} could not be asked")
        try:
            return question()
        except StorageError as error:
            refused = refusal(error)
            if refused is None:
                self.give_up(reason(error))
                raise NotKnown(self._away) from error
            raise NotKnown(f"{self.name} refuses to tell: {refused}") from error
