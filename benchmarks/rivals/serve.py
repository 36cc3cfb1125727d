"""Run uvicorn as our API process does: the same loop and options, and an inherited socket."""

import argparse
import socket

import uvicorn
from starlette.types import ASGIApp


def serve(app: ASGIApp, lifespan: str = "off") -> None:
    """Serve on the listening socket given as `--fd` until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        loop="uvloop",
        lifespan=lifespan,  # type: ignore[arg-type]
        proxy_headers=False,
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_keep_alive=75,
    )
    uvicorn.Server(config).run([socket.socket(fileno=parser.parse_args().fd)])
