"""What `activity api` and `activity worker` have in common."""

from pathlib import Path

from cli import state
from cli.errors import StopRequested
from cli.signals import StopSignals
from cli.supervisor import TURN_SECONDS, Supervisor
from cli.urls import Urls


def urls_of_run(data_dir: str | None) -> Urls | None:
    """The addresses of the run on this folder; None without a folder: the settings decide.

    Raises `NothingRuns`.
    """
    return state.running(Path(data_dir)).urls if data_dir else None


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
