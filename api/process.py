"""One API process: uvicorn on an address, or on a socket that a supervisor has bound."""

import argparse
import logging
import socket
import sys
from typing import Any

import uvicorn

from api.app import create_app
from api.http.addresses import is_loopback
from api.http.hosts import Hosts
from api.server import malloc
from api.server.draining_server import DrainingServer
from api.server.fast_path_protocol import FastPathProtocol
from api.server.open_files import possible_connections
from api.settings import ApiSettings
from storage.errors import StorageError
from storage.metrics.process import own
from storage.postgres.engine import ANSWER_SECONDS, bound_waiting
from storage.redis.server_check import require_fit_servers
from storage.settings import StorageSettings

SHUTDOWN_SECONDS = 10  # for answers that are still being prepared
BACKLOG = 2048


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then stop without breaking a request."""
    options = _options(arguments)
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s api %(levelname)s %(message)s"
    )
    own.join(options.slot, "api")
    try:
        storage, settings = StorageSettings(), ApiSettings()
        require_fit_servers(storage)
    except StorageError as error:
        sys.exit(f"api: {error}")
    settings.connections = possible_connections(settings.connections)
    malloc.use_one_arena()
    bound_waiting(ANSWER_SECONDS)
    # Not by uvicorn's option `fd`, which takes any socket for a Unix one: TCP_NODELAY would stay
    # off, and each answer would wait for the client's delayed ACK, 40 ms.
    listener = None if options.fd is None else socket.socket(fileno=options.fd)
    on_loopback = _is_on_loopback(listener, options.host)
    app = create_app(
        storage, settings, hosts=Hosts(settings.host_patterns, on_loopback, options.host)
    )

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
        log_level="warning",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    DrainingServer(config, options.ready_fd).run([listener] if listener else None)


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
    parser.add_argument("--fd", type=int, help="a listening socket, inherited")
    parser.add_argument(
        "--ready-fd",
        type=int,
        help="gets a line once connections are accepted",
    )
    parser.add_argument("--slot", help="slot for metrics in an inherited file, as FD:NUMBER")
    return parser.parse_args(arguments)
