"""`activity up`: run the whole service, starting from nothing."""

import logging
import os
import socket
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from cli import state
from cli.commands.migrate import make_admin_key
from cli.commands.options import add_address, add_data_dir, add_insecure, add_tls
from cli.data_dir import data_folder
from cli.embedded import Servers, prepare_folder, running_servers
from cli.embedded.layout import Layout
from cli.embedded.lock import folder_lock
from cli.embedded.unfinished import refuse_unfinished
from cli.errors import NotStarted, StopRequested
from cli.health.supervisor_folder import supervisor_folder
from cli.health.worker_states import supervises
from cli.process import listener as listening
from cli.process.background import background
from cli.process.commands import (
    API_STOP_SECONDS,
    WORKER_STOP_SECONDS,
    api_processes,
    insecure,
    worker_processes,
)
from cli.process.log_files import ProcessLogs, process_logs
from cli.process.probe_server import probe_server
from cli.process.readiness import wait_until_ready
from cli.process.signals import StopSignals
from cli.process.slots import SlotPool, slot_pool
from cli.process.spawn import Account
from cli.process.supervisor import TURN_SECONDS, Supervisor, with_slots
from cli.service_choice import refuse_replicas, require_api_settings, require_key
from cli.settings import CliSettings, forget_libpq_variables, load_settings
from cli.tls import TlsFiles, tls_files
from cli.tls_trust import trust
from storage.metrics.process import own

HELP = "run the whole service on this machine: PostgreSQL, Valkey, migrations, API and workers"
EXAMPLES = (
    "activity up",
    "activity up --port 5055 --data-dir /tmp/activity",
    "activity up --api-processes 2 --workers 4",
)

log = logging.getLogger(__name__)


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    add_address(parser)
    add_insecure(parser)
    add_data_dir(parser, "data folder: data and logs (ACTIVITY_DATA_DIR, default .data)")
    parser.add_argument(
        "--api-processes",
        metavar="N",
        help="number of API processes (ACTIVITY_API_PROCESSES, default 1)",
    )
    parser.add_argument(
        "--workers", metavar="N", help="number of worker processes (ACTIVITY_WORKERS, default 2)"
    )
    add_tls(parser)


def run(options: Namespace) -> int:
    """Serve until SIGINT or SIGTERM. Returns 0 after an orderly stop.

    SIGUSR1 restarts the API processes one after the other.
    """
    settings = load_settings(
        {
            "host": options.host,
            "port": options.port,
            "data_dir": options.data_dir,
            "api_processes": options.api_processes,
            "workers": options.workers,
            "tls_cert": options.tls_cert,
            "tls_key": options.tls_key,
        }
    )
    with StopSignals() as signals, suppress(StopRequested):
        _up(settings, signals, options.insecure)
    return 0


def _up(settings: CliSettings, signals: StopSignals, without_key: bool) -> None:
    forget_libpq_variables()
    require_api_settings()
    refuse_replicas()
    tls = tls_files(settings)
    folder = data_folder(settings)
    if not os.path.lexists(folder):
        # If the port is in use, fail before a new folder is created.
        listening.listen(settings.host, settings.port).close()
    layout, account = prepare_folder(folder)
    try:
        _serve(settings, signals, layout, account, without_key, tls)
    except Served:
        print(f"stopped; the data is in {layout.root}", flush=True)
    except StopRequested:
        print(f"stopped before it was ready; the data is in {layout.root}", flush=True)


def _serve(
    settings: CliSettings,
    signals: StopSignals,
    layout: Layout,
    account: Account | None,
    without_key: bool,
    tls: TlsFiles | None,
) -> None:
    with ExitStack() as stack:
        # Take the lock before the port: a run that is ending holds both.
        lock_fd = stack.enter_context(_lock(layout, signals))
        refuse_unfinished(layout)
        logs = stack.enter_context(process_logs(layout))
        _log_to(logs.descriptors("supervisor"))
        # Take the port before starting the servers: it is the most likely to fail.
        listener = stack.enter_context(listening.listen(settings.host, settings.port))
        servers = stack.enter_context(
            running_servers(layout, account, lock_fd, settings.queue_maxmemory, signals.pause)
        )
        stack.callback(state.remove, layout.state)
        _migrate(servers)
        make_admin_key(servers.urls.database_url, settings.admin_key_file)
        require_key(servers.urls, settings.host, without_key, tls is not None)
        own_folder = stack.enter_context(supervisor_folder())
        slots = stack.enter_context(slot_pool(own_folder))
        stack.enter_context(probe_server(settings.probe_host, settings.probe_port))
        own.report(supervises(settings.workers))
        Run(settings, listener, servers, slots, logs, without_key, tls).serve(signals)


@contextmanager
def _lock(layout: Layout, signals: StopSignals) -> Iterator[int]:
    """Hold the lock of the data folder. Raises `NotStarted` if a stop signal ends the wait."""
    with ExitStack() as stack:
        try:
            lock_fd = stack.enter_context(folder_lock(layout.lock, pause=signals.pause))
        except StopRequested:
            raise NotStarted(
                f"not started: interrupted while waiting for the data folder {layout.root}"
            ) from None
        yield lock_fd


def _log_to(descriptors: Sequence[int]) -> None:
    # Imported here: `--help` should not wait for the settings.
    from storage.process_logs import start_logs

    start_logs("supervisor", descriptors)


def _migrate(servers: Servers) -> None:
    # Imported here: `--help` and a wrong option should not wait for SQLAlchemy and Alembic.
    from storage.postgres.migrate import upgrade

    upgrade(servers.urls.database_url)


class Served(StopRequested):
    """A stop signal came after the service was ready."""


class Run:
    """The processes of one `up`, on servers that already run."""

    def __init__(
        self,
        settings: CliSettings,
        listener: socket.socket,
        servers: Servers,
        slots: SlotPool | None,
        logs: ProcessLogs,
        without_key: bool,
        tls: TlsFiles | None,
    ) -> None:
        self._scheme = "https" if tls else "http"
        self._host = listening.host_of(listener, settings.host)
        self._port = listening.port_of(listener)
        self._listener, self._servers, self._process_logs = listener, servers, logs
        urls, inherited = servers.urls, (servers.lock_fd,)
        self._server_supervisor = Supervisor(servers.all, self._record)
        workers = worker_processes(settings.workers, urls, inherited)
        apis = api_processes(
            settings.api_processes, listener.fileno(), settings.host, urls, inherited, tls
        )
        if without_key:
            apis = insecure(apis)
        self._workers = Supervisor(with_slots(logs.of("worker", workers), slots), self._record)
        self._apis = Supervisor(with_slots(logs.of("api", apis), slots), self._record)

    @property
    def _url(self) -> str:
        return listening.url(self._host, self._port, self._scheme)

    def serve(self, signals: StopSignals) -> None:
        """Start, print `ready`, and keep everything alive until a stop signal.

        Raises `StopRequested` for a stop signal before the service was ready, `Served` after it.
        """
        with background(self._servers.urls):
            try:
                self._start()
                wait_until_ready(
                    self._host,
                    self._port,
                    self._turn_and_pause(signals),
                    self._logs,
                    tls=trust(None, self._host) if self._scheme == "https" else None,
                )
                print(f"ready: {self._url}", flush=True)
                self._keep_alive(signals)
            finally:
                self._stop()

    def _keep_alive(self, signals: StopSignals) -> None:
        try:
            while True:
                if signals.take_restart():
                    self._apis.restart(API_STOP_SECONDS)
                self._turn_and_pause(signals)(TURN_SECONDS)
        except StopRequested:
            raise Served from None

    def _start(self) -> None:
        self._server_supervisor.adopt(
            [server.process for server in self._servers.all if server.process]
        )
        self._workers.start()
        self._apis.start()

    def _stop(self) -> None:
        # The order of a shutdown. A second signal does not change it.
        # 1. The API processes accept the connections that wait, and no new ones. Then they
        #    finish the requests that they accepted.
        listening.stop_listening(self._listener)
        self._apis.stop(API_STOP_SECONDS)
        # 2. The workers finish their batch. Other events stay in the queue, on disk.
        self._workers.stop(WORKER_STOP_SECONDS)
        # When the enclosing blocks end, there follow 3. sweeper and maintenance (`background`),
        # 4. control, queue and PostgreSQL (`running_servers`), and 5. the lock.

    def _turn_and_pause(self, signals: StopSignals) -> Callable[[float], None]:
        def turn(seconds: float) -> None:
            for supervisor in (self._server_supervisor, self._workers, self._apis):
                supervisor.turn()
            self._servers.rotate_logs()
            self._process_logs.rotate()
            signals.pause(seconds)

        return turn

    def _record(self, role: str, pid: int) -> None:
        log.debug("%s is process %d", role, pid)
        processes = [("supervisor", os.getpid())]
        for supervisor in (self._server_supervisor, self._workers, self._apis):
            processes += supervisor.pids()
        run_state = state.State(self._url, self._servers.urls, processes)
        state.write(self._servers.layout.state, run_state)

    def _logs(self) -> str:
        return "\n".join(server.log_tail() for server in self._servers.all)
