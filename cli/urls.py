"""The three addresses that the API and the workers are given."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.settings import StorageSettings


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


def storage_settings(urls: Urls | None) -> "StorageSettings":
    """The settings, with these addresses in place of theirs. Raises SettingsError."""
    # Here, because `status` and `--help` should not wait for redis and SQLAlchemy.
    from storage.settings import StorageSettings

    return StorageSettings(**vars(urls)) if urls else StorageSettings()
