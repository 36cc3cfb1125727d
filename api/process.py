"""One API process: uvicorn on an address, or on a socket that a supervisor has bound."""

import argparse
import socket
from pathlib import Path
from typing import Any

import uvicorn

from api.app import Application, create_app
from api.auth.exposure import NoKey, require_key, warn_of_plain_http
from api.auth.policy import INSECURE_HELP, policy_of
from api.http.addresses import is_loopback
from api.http.hosts import Hosts
from api.server import malloc
from api.server.access_log import access_log
from api.server.draining_server import DrainingServer
from api.server.fast_path_protocol import FastPathProtocol
from api.server.open_files import possible_connections
from api.server.tls_context import load
from api.settings import ApiSettings
from storage.errors import StorageError
from storage.metrics.instruments import begin_gauges
from storage.metrics.process import own
from storage.postgres.engine import ANSWER_SECONDS, bound_waiting
from storage.process_logs import end_process, start_process_logs
from storage.redis.server_check import require_fit_servers
from storage.settings import StorageSettings

SHUTDOWN_SECONDS = 10  # for answers that are still being prepared
BACKLOG = 2048


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then stop without breaking a request."""
    options = _options(arguments)
    own.join(options.slot, "api")
    begin_gauges()
    # Not by uvicorn's option `fd`, which takes any socket for a Unix one: TCP_NODELAY would stay
    # off, and each answer would wait for the client's delayed ACK, 40 ms.
    listener = None if options.fd is None else socket.socket(fileno=options.fd)
    try:
        start_process_logs("api", options.log_fd)
        storage, settings = StorageSettings(), ApiSettings()
        require_fit_servers(storage)
        if listener is None and not is_loopback(options.host):  # else the supervisor has checked
            require_key(storage, settings.auth, options.insecure, options.host)
            if not options.insecure:
                warn_of_plain_http(settings.auth, options.host)
        tls = load(options.tls_cert, options.tls_key) if options.tls_cert else None
    except (StorageError, NoKey) as error:
        end_process(error)
    access_log.start(settings.access_log_every)
    settings.connections = possible_connections(settings.connections)
    malloc.bound_free_memory()
    bound_waiting(ANSWER_SECONDS)
    app = _application(options, listener, storage, settings)

    def protocol(**options: Any) -> FastPathProtocol:
        return FastPathProtocol(
            fast_paths=app.fast_paths,
            head_seconds=settings.body_seconds,
            memory=app.memory,
            **options,
        )

    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        backlog=BACKLOG,
        http=protocol,  # type: ignore[arg-type]
        ws="none",
        proxy_headers=False,
        loop="uvloop",
        access_log=False,
        server_header=False,
        log_config=None,  # its records go where all records go
        timeout_keep_alive=75,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = DrainingServer(config, options.ready_fd, tls, settings.connections, app.end_streams)
    server.run([listener] if listener else None)


def _application(
    options: argparse.Namespace,
    listener: socket.socket | None,
    storage: StorageSettings,
    settings: ApiSettings,
) -> Application:
    on_loopback = _is_on_loopback(listener, options.host)
    # A Unix socket is for this machine too: for users of its group. But its clients, proxies, send
    # the `Host` of other machines.
    is_local = on_loopback or (listener is not None and listener.family == socket.AF_UNIX)
    return create_app(
        storage,
        settings,
        Hosts(settings.host_patterns, on_loopback, options.host),
        policy_of(settings.auth, is_local, options.insecure),
        is_local,
    )


def _is_on_loopback(listener: socket.socket | None, host: str) -> bool:
    if listener is None:
        return is_loopback(host)
    return listener.family != socket.AF_UNIX and is_loopback(listener.getsockname()[0])


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m api", description=__doc__)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="listen here; a valid Host, too",
    )
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--tls-cert", type=Path, help="serve HTTPS with this certificate, in PEM")
    parser.add_argument("--tls-key", type=Path, help="its key")
    parser.add_argument("--fd", type=int, help="a listening socket, inherited")
    parser.add_argument(
        "--ready-fd",
        type=int,
        help="gets a line once connections are accepted",
    )
    parser.add_argument("--slot", help="slot for metrics in an inherited file, as FD:NUMBER")
    parser.add_argument("--log-fd", type=int, help="a file, inherited, to log to as well")
    parser.add_argument("--insecure", action="store_true", help=INSECURE_HELP)
    parsed = parser.parse_args(arguments)
    if parsed.tls_cert and not (parsed.tls_key and parsed.fd is not None):
        parser.error("--tls-cert needs --tls-key and --fd")
    return parsed
