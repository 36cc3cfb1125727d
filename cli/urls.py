"""The three addresses that the API and the workers are given."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Urls:
    """Where queue, control and database are."""

    queue_url: str
    control_url: str
    database_url: str

    def environment(self) -> dict[str, str]:
        """As the variables that `StorageSettings` reads."""
        return {
            "ACTIVITY_QUEUE_URL": self.queue_url,
            "ACTIVITY_CONTROL_URL": self.control_url,
            "ACTIVITY_DATABASE_URL": self.database_url,
        }
