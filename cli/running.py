"""What `activity api` and `activity worker` have in common."""

import logging
from pathlib import Path

from cli import state
from cli.errors import StopRequested
from cli.settings import forget_libpq_variables
from cli.signals import StopSignals
from cli.supervisor import TURN_SECONDS, Supervisor
from cli.urls import Urls

log = logging.getLogger(__name__)

_NAMED = "trying again until it does"
_NOT_NAMED = (
    "for the servers of `make up` on this machine give --data-dir DIR (.data unless it was told "
    "another)"
)


def urls_of_run(data_dir: str | None) -> Urls | None:
    """The addresses of the run on this folder; None without a folder: the settings decide.

    Raises `NothingRuns`.
    """
    if not data_dir:
        return None
    urls = state.running(Path(data_dir)).urls
    forget_libpq_variables()
    return urls


def tell_where_servers_are(urls: Urls | None, name: str) -> None:
    """Say once that the server which `name` (`queue_url`, `control_url`) of the settings names does
    not answer. Who needs it waits for it. `--data-dir` is advice only for those who have named no
    server: in a container there is no folder to name."""
    if urls is not None:
        return
    # Here, because `--help` should not wait for redis.
    from storage.connections import connect
    from storage.errors import StorageError, control_errors
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


def keep_alive(supervisor: Supervisor, stop_seconds: float) -> None:
    """Keep the processes alive until a stop signal, then stop them within `stop_seconds`."""
    with StopSignals() as signals:
        try:
            while True:
                supervisor.turn()
                signals.pause(TURN_SECONDS)
        except StopRequested:
            pass
        finally:
            supervisor.stop(stop_seconds)
