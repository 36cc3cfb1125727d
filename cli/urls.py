"""The addresses of the three servers that the API and the workers use."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.settings import StorageSettings


@dataclass(frozen=True)
class Urls:
    """The addresses of queue, control and database."""

    queue_url: str
    control_url: str
    database_url: str

    def environment(self) -> dict[str, str]:
        """Return them as the variables that `StorageSettings` reads."""
        return {
            "ACTIVITY_QUEUE_URL": self.queue_url,
            "ACTIVITY_CONTROL_URL": self.control_url,
            "ACTIVITY_DATABASE_URL": self.database_url,
        }


def storage_settings(urls: Urls | None) -> "StorageSettings":
    """Return the storage settings, with these addresses if given. Raises `SettingsError`."""
    # Imported here: `status` and `--help` should not wait for redis and SQLAlchemy.
    from storage.settings import StorageSettings

    return StorageSettings(**vars(urls)) if urls else StorageSettings()
