"""Questions to a Redis server about itself, for `activity doctor`."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from storage.redis.client import connect
from storage.redis.control_rights import refused_uses

ANSWER_SECONDS = 3.0


class RedisInspection:
    """A connection to one server; for one thread.

    Every call raises the error of `errors` (`queue_errors` or `control_errors`). Its cause tells
    whether the server is away or refuses the question (`storage.server_errors.refusal`).
    """

    def __init__(self, url: str, errors: Callable[[], AbstractContextManager[None]]) -> None:
        self.client = connect(url, ANSWER_SECONDS)
        self._errors = errors

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    def ping(self) -> None:
        """Check that the server answers this user."""
        with self._errors():
            self.client.ping()

    def info(self) -> Mapping[str, Any]:
        """Return what INFO says."""
        with self._errors():
            found: Mapping[str, Any] = self.client.info()
        return found

    def settings(self, *names: str) -> Mapping[str, str]:
        """Return settings by CONFIG GET."""
        with self._errors():
            found = self.client.config_get(*names)
        return {str(name): str(value) for name, value in found.items()}

    def time(self) -> float:
        """Return the server's clock in seconds since the epoch."""
        with self._errors():
            seconds, microseconds = self.client.time()
        return float(seconds) + float(microseconds) / 1e6

    def refused_uses(self) -> Mapping[str, str]:
        """Return what does not work because control refuses it to this user, and its refusals."""
        with self._errors():
            return refused_uses(self.client)
