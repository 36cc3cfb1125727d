"""Garbage collections under load do not visit what lives as long as the process."""

import asyncio
import gc
import socket

from starlette.types import Receive, Scope, Send
from uvicorn import Config

from api.server.draining_server import DrainingServer


async def app(scope: Scope, receive: Receive, send: Send) -> None: ...


def test_a_server_that_is_ready_leaves_what_exists_out_of_collections() -> None:
    async def scenario() -> None:
        server = DrainingServer(Config(app, lifespan="off", log_config=None))
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            await server.startup([listener])
            assert gc.get_freeze_count() > 10_000  # the modules of this test alone are more
            await server.shutdown([listener])

    assert gc.get_freeze_count() == 0
    try:
        asyncio.run(scenario())
    finally:
        gc.unfreeze()
