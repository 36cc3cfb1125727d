"""`activity api`: run API processes with servers that already run."""

import socket
from argparse import Namespace
from pathlib import Path

from cli.commands.options import add_address, add_insecure, add_run, add_tls
from cli.errors import UsageError
from cli.parser import Parser
from cli.process import listener as listening
from cli.process import unix_listener
from cli.process.commands import API_STOP_SECONDS, api_processes, insecure
from cli.process.keep_alive import keep_alive
from cli.process.slots import slot_pool
from cli.process.supervisor import Supervisor, with_slots
from cli.service_choice import (
    require_api_settings,
    require_fit_servers,
    require_key,
    urls_of_run,
    warn_if_unreachable,
)
from cli.settings import CliSettings, load_settings
from cli.tls import tls_files

HELP = "run API processes with servers that already run"
EXAMPLES = (
    "activity api  # with the servers of ACTIVITY_QUEUE_URL, _CONTROL_URL and _DATABASE_URL",
    "activity api --data-dir .data --port 5001  # beside a running `activity up`",
)


def add(parser: Parser) -> None:
    """Describe the options."""
    add_address(parser)
    parser.add_argument(
        "--processes",
        metavar="N",
        help="number of API processes (ACTIVITY_API_PROCESSES, default 1)",
    )
    parser.add_argument(
        "--uds", metavar="PATH", help="listen on this Unix socket instead of host and port"
    )
    add_insecure(parser)
    add_tls(parser)
    add_run(parser)
    parser.exclude("--uds", "--host", "--port")


def run(options: Namespace) -> int:
    """Serve until SIGINT or SIGTERM. SIGUSR1 restarts the processes one after the other."""
    settings = load_settings(
        {
            "host": options.host,
            "port": options.port,
            "api_processes": options.processes,
            "tls_cert": options.tls_cert,
            "tls_key": options.tls_key,
        }
    )
    tls = tls_files(settings)
    require_api_settings()
    urls = urls_of_run(options.data_dir)
    require_fit_servers(urls)
    if options.uds is None:
        require_key(urls, settings.host, options.insecure, tls is not None)
    with _listener(options, settings) as listener, slot_pool(None) as slots:
        print(f"listening: {_address(listener, settings)}", flush=True)
        warn_if_unreachable(urls, "queue_url")
        processes = api_processes(
            settings.api_processes, listener.fileno(), settings.host, urls, tls=tls
        )
        if options.insecure:
            processes = insecure(processes)
        keep_alive(
            Supervisor(with_slots(processes, slots)), API_STOP_SECONDS, options.data_dir, listener
        )
    return 0


def _listener(options: Namespace, settings: CliSettings) -> socket.socket:
    if options.uds is None:
        return listening.listen(settings.host, settings.port)
    if settings.tls_cert:
        raise UsageError("a Unix socket has no TLS: give either --uds or --tls-cert")
    return unix_listener.listen(Path(options.uds))


def _address(listener: socket.socket, settings: CliSettings) -> str:
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host = listening.host_of(listener, settings.host)
    scheme = "https" if settings.tls_cert else "http"
    return listening.url(host, listening.port_of(listener), scheme)
