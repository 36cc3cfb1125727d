"""The main loop of `activity api` and `activity worker`."""

import socket
from contextlib import ExitStack

from cli.errors import StopRequested
from cli.process.listener import stop_listening
from cli.process.membership import membership
from cli.process.signals import StopSignals
from cli.process.supervisor import TURN_SECONDS, Supervisor
from cli.service_choice import folder_of_run


def keep_alive(
    supervisor: Supervisor,
    stop_seconds: float,
    data_dir: str | None,
    listener: socket.socket | None = None,
) -> None:
    """Keep the processes alive until a stop signal, then stop them within `stop_seconds`.

    If they joined a run (`folder_of_run`), `activity status` lists them with that run. If they
    accept from a `listener`, SIGUSR1 restarts them one after the other, and the listener is closed
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
                    member.record(supervisor.pids())
                signals.pause(TURN_SECONDS)
        except StopRequested:
            pass
        finally:
            if listener:
                stop_listening(listener)
            supervisor.stop(stop_seconds)
