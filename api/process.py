"""One API process: uvicorn on an address, or on a socket that a supervisor has bound."""

import argparse
import logging
import socket
import sys
from typing import Any

import uvicorn

from api.app import create_app
from api.lane_protocol import LaneProtocol
from api.settings import ApiSettings
from storage.database import ANSWER_SECONDS, bound_waiting
from storage.errors import StorageError
from storage.redis_server import require_fit_servers
from storage.settings import StorageSettings

SHUTDOWN_SECONDS = 10
BACKLOG = 2048


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished."""
    options = _options(arguments)
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s api %(levelname)s %(message)s"
    )
    try:
        storage, settings = StorageSettings(), ApiSettings()
        require_fit_servers(storage)
    except StorageError as error:
        sys.exit(f"api: {error}")
    bound_waiting(ANSWER_SECONDS)
    app = create_app(storage, settings)

    def connection(**options: Any) -> LaneProtocol:
        return LaneProtocol(lane=app.post_lane, head_seconds=settings.body_seconds, **options)

    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        backlog=BACKLOG,
        http=connection,  # type: ignore[arg-type]
        ws="none",
        proxy_headers=False,
        loop="uvloop",
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    # Not uvicorn's own `fd`: it takes any socket for a unix one, so TCP_NODELAY would stay off
    # and each answer wait for the client's delayed ACK, 40 ms.
    sockets = None if options.fd is None else [socket.socket(fileno=options.fd)]
    uvicorn.Server(config).run(sockets)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m api", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--fd", type=int, help="a listening socket, inherited")
    return parser.parse_args(arguments)
