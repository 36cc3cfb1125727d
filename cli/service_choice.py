"""Which running service a command uses: the run on a data folder, or the servers in the settings.

The folder of `--data-dir` comes first, then the folder of `ACTIVITY_DATA_DIR`, then the servers of
`ACTIVITY_*_URL`. Every command that uses the servers of a running service follows this rule.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli import state
from cli.embedded.folder import checked_folder
from cli.errors import NoApiKey, UsageError
from cli.settings import forget_libpq_variables, load_settings
from cli.urls import Urls, storage_settings

log = logging.getLogger(__name__)

_RETRYING = "retrying until it answers"
ADVICE = (
    "to use the servers of `make up` on this machine, give --data-dir DIR (.data, unless "
    "`make up` was given another folder)"
)


def folder_of_run(data_dir: str | None) -> Path | None:
    """Return the folder of `--data-dir`, else of `ACTIVITY_DATA_DIR`, else None."""
    settings = load_settings({"data_dir": data_dir})
    if "data_dir" not in settings.model_fields_set:
        return None
    return checked_folder(settings.data_dir)


def urls_of_run(data_dir: str | None) -> Urls | None:
    """Return the addresses of the run on the folder of `folder_of_run`, or None without a folder.

    Raises `NothingRuns`, `FolderError`.
    """
    folder = folder_of_run(data_dir)
    if folder is None:
        return None
    urls = state.running(folder).urls
    forget_libpq_variables()
    return urls


@contextmanager
def advising(urls: Urls | None, *names: str) -> Iterator[None]:
    """Add the advice to give `--data-dir` to an error of a server that does not answer.

    Only if none of the settings of these names is set: in a container there is no folder to name.
    """
    # Imported here: `--help` should not wait for redis and SQLAlchemy.
    from storage.errors import NoHome, Unavailable

    try:
        yield
    except (NoHome, Unavailable) as error:
        if urls is None and not storage_settings(None).model_fields_set & set(names):
            raise type(error)(f"{error}; {ADVICE}") from error
        raise


def require_fit_servers(urls: Urls | None) -> None:
    """Raise `StorageError` for settings that make no sense, or servers that can't be used."""
    # Imported here: `--help` should not wait for redis and SQLAlchemy.
    from storage.redis.server_check import require_fit_servers as require

    require(storage_settings(urls))


def require_api_settings() -> None:
    """Raise `StorageError` for a setting of the API that is not valid.

    Otherwise its processes would end at once, again and again.
    """
    # Imported here: `--help` should not wait for redis and SQLAlchemy.
    from api.settings import ApiSettings

    ApiSettings()


def refuse_replicas() -> None:
    """Raise `UsageError` if replicas of the embedded queue are awaited: it has none."""
    replicas = storage_settings(None).queue_replicas
    if replicas:
        raise UsageError(
            f"ACTIVITY_QUEUE_REPLICAS is {replicas}, and the queue of `activity up` has no "
            "replica, so no event would be accepted: unset it, or run `activity api` and "
            "`activity worker` with servers of your own (docs/operations.md)"
        )


def require_key(urls: Urls | None, host: str, insecure: bool, https: bool) -> None:
    """Raise `NoApiKey` if other machines could reach a service at `host` that has no API key.

    Warns if they would send API keys over plain HTTP.
    """
    # Imported here: `--help` should not wait for redis and SQLAlchemy.
    from api.auth import exposure
    from api.http.addresses import is_loopback
    from api.settings import ApiSettings

    if is_loopback(host):
        return
    auth = ApiSettings().auth
    try:
        exposure.require_key(storage_settings(urls), auth, insecure, host)
    except exposure.NoKey as error:
        raise NoApiKey(str(error)) from None
    if not https and not insecure:
        exposure.warn_of_plain_http(auth, host)


def warn_if_unreachable(urls: Urls | None, name: str) -> None:
    """Warn once if the server of the setting `name` (`queue_url`, `control_url`) does not answer.

    Whatever needs the server retries by itself. The warning recommends `--data-dir` only if no
    address is set: in a container there is no folder to name.
    """
    if urls is not None:
        return
    # Imported here: `--help` should not wait for redis.
    from storage.errors import StorageError
    from storage.redis.client import connect
    from storage.server_errors import control_errors
    from storage.settings import StorageSettings

    settings = StorageSettings()
    server = connect(getattr(settings, name))
    try:
        with control_errors():
            server.ping()
    except StorageError as error:
        advice = _RETRYING if name in settings.model_fields_set else ADVICE
        log.warning("nothing answers at ACTIVITY_%s: %s; %s", name.upper(), error.__cause__, advice)
    finally:
        server.close()
