"""Every private name of uvicorn that `api/server/` uses.

`pyproject.toml` holds uvicorn to the minor version that has them. Before another one is allowed,
this test says what is missing there.
"""

import ast
import inspect
import re
from pathlib import Path

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http import flow_control, httptools_impl
from uvicorn.server import ServerState

import api.server
from api.server.single_write import SingleWriteCycle

OURS = Path(api.server.__file__).parent

USED: dict[type, str] = {
    httptools_impl.HttpToolsProtocol: """
        connection_made connection_lost data_received eof_received resume_writing shutdown
        on_message_begin on_headers_complete on_body on_message_complete on_response_complete
        _start_asgi_task _unset_keepalive_if_required
        access_log access_logger app app_state connections cycle expect_100_continue flow headers
        limit_concurrency logger loop parser pipeline scheme server_state tasks transport url
    """,
    httptools_impl.RequestResponseCycle: """
        receive run_asgi send
        access_log body chunked_encoding default_headers disconnected expected_content_length
        flow keep_alive logger message_event more_body
        on_response response_complete response_started scope transport waiting_for_100_continue
    """,
    flow_control.FlowControl: """
        drain pause_reading pause_writing resume_reading resume_writing
        _transport write_paused
    """,
    uvicorn.Server: "startup shutdown force_exit lifespan server_state servers started",
    ServerState: "connections default_headers tasks",
}
# Words of the public ASGI, or of our own, that uvicorn has for something else too.
OTHERS = {"config", "client", "run", "server"}


def own_names(cls: type) -> set[str]:
    """Methods of the class, and the attributes that its methods give to `self`."""
    names = {name for name, value in vars(cls).items() if callable(value)}
    for node in ast.walk(ast.parse(inspect.getsource(cls))):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return {name for name in names if not name.startswith("__")}


@pytest.mark.parametrize("cls", USED, ids=lambda cls: cls.__name__)
def test_uvicorn_has_every_name_that_we_use_of_it(cls: type) -> None:
    missing = set(USED[cls].split()) - own_names(cls)
    assert not missing, (
        f"uvicorn {uvicorn.__version__}: {cls.__module__}.{cls.__name__} has no "
        f"{', '.join(sorted(missing))} any more, which api/server/ uses"
    )


def test_uvicorn_has_the_lines_of_every_status() -> None:
    assert httptools_impl.STATUS_LINE[202] == b"HTTP/1.1 202 Accepted\r\n"
    assert httptools_impl.STATUS_LINE[599] == b"HTTP/1.1 599 \r\n"


def test_a_request_of_uvicorns_can_become_one_of_ours() -> None:
    cycle = object.__new__(httptools_impl.RequestResponseCycle)
    cycle.__class__ = SingleWriteCycle
    assert isinstance(cycle, SingleWriteCycle)


def test_a_function_may_make_the_protocol() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None: ...

    def protocol(**options: object) -> None: ...

    config = Config(app, http=protocol)  # type: ignore[arg-type]  # as api/process.py does
    config.load()
    assert config.http_protocol_class is protocol  # type: ignore[comparison-overlap]


def test_no_name_is_used_that_is_not_listed_here() -> None:
    code = "\n".join(file.read_text() for file in OURS.glob("*.py"))
    used = set(re.findall(r"\.(\w+)", code))
    theirs = {name for cls in USED for name in own_names(cls)}
    listed = {name for names in USED.values() for name in names.split()}
    assert (used & theirs) - listed - OTHERS == set()
