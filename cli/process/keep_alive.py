"""What `activity api` and `activity worker` have in common."""

import logging
import socket
from contextlib import ExitStack
from pathlib import Path

from cli import state
from cli.embedded.folder import checked_folder
from cli.errors import StopRequested
from cli.process.joined import membership
from cli.process.listener import stop_listening
from cli.process.signals import StopSignals
from cli.process.supervisor import TURN_SECONDS, Supervisor
from cli.settings import forget_libpq_variables, load_settings
from cli.urls import Urls, storage_settings

log = logging.getLogger(__name__)

_NAMED = "trying again until it does"
_NOT_NAMED = (
    "for the servers of `make up` on this machine give --data-dir DIR (.data, unless "
    "`make up` was given another folder)"
)


def folder_of_run(data_dir: str | None) -> Path | None:
    """The data folder whose run is meant: `--data-dir`, else `ACTIVITY_DATA_DIR`.

    None where neither is given: then the addresses of the settings (`ACTIVITY_*_URL`) count. This
    is the one rule for every command that uses the servers of a running service.
    """
    settings = load_settings({"data_dir": data_dir})
    if "data_dir" not in settings.model_fields_set:
        return None
    return checked_folder(settings.data_dir)


def urls_of_run(data_dir: str | None) -> Urls | None:
    """The addresses of the run on the folder that `folder_of_run` finds; None without one.

    Raises `NothingRuns`, `FolderError`.
    """
    folder = folder_of_run(data_dir)
    if folder is None:
        return None
    urls = state.running(folder).urls
    forget_libpq_variables()
    return urls


def require_fit_servers(urls: Urls | None) -> None:
    """Raises `StorageError` for settings that make no sense, and servers that can't be used."""
    # Here, because `--help` should not wait for redis and SQLAlchemy.
    from storage.redis.server_check import require_fit_servers as require

    require(storage_settings(urls))


def tell_where_servers_are(urls: Urls | None, name: str) -> None:
    """Say once that the server which `name` (`queue_url`, `control_url`) of the settings names does
    not answer. Who needs it waits for it. `--data-dir` is advice only for those who have named no
    server: in a container there is no folder to name."""
    if urls is not None:
        return
    # Here, because `--help` should not wait for redis.
    from storage.errors import StorageError, control_errors
    from storage.redis.client import connect
    from storage.settings import StorageSettings

    settings = StorageSettings()
    server = connect(getattr(settings, name))
    try:
        with control_errors():
            server.ping()
    except StorageError as error:
        advice = _NAMED if name in settings.model_fields_set else _NOT_NAMED
        log.warning("nothing answers at ACTIVITY_%s: %s; %s", name.upper(), error.__cause__, advice)
    finally:
        server.close()


def keep_alive(
    supervisor: Supervisor,
    stop_seconds: float,
    data_dir: str | None,
    listener: socket.socket | None = None,
) -> None:
    """Keep the processes alive until a stop signal, then stop them within `stop_seconds`.

    Where they joined a run (`folder_of_run`), its `activity status` lists them meanwhile. With the
    `listener` that they accept from: SIGUSR1 restarts them one after the other, and it is closed
    before they are stopped.
    """
    folder = folder_of_run(data_dir)
    with ExitStack() as stack:
        signals = stack.enter_context(StopSignals())
        member = stack.enter_context(membership(folder)) if folder else None
        try:
            while True:
                if signals.take_restart() and listener:
                    supervisor.restart(stop_seconds)
                supervisor.turn()
                if member:
                    member.tell(supervisor.pids())
                signals.pause(TURN_SECONDS)
        except StopRequested:
            pass
        finally:
            if listener:
                stop_listening(listener)
            supervisor.stop(stop_seconds)
