"""The API key with which a command asks the service."""

from activity_client.credentials import Credentials
from activity_client.errors import BadKey
from cli.errors import UsageError
from cli.settings import CliSettings


def credentials(settings: CliSettings) -> Credentials:
    """Return the API key of ACTIVITY_KEY or ACTIVITY_KEY_FILE. Raises UsageError."""
    key = settings.key.get_secret_value() if settings.key else None
    try:
        return Credentials(key, settings.key_file)
    except BadKey as error:
        raise UsageError(f"{error} (ACTIVITY_KEY, ACTIVITY_KEY_FILE)") from None
