"""The last answers of connections that are refused."""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api.http.headers import CLOSE, header_lines
from api.http.memory_budget import NO_ROOM_FOR_REQUESTS
from api.http.problems import Problem, unavailable
from api.server.framing import ADVICE

HEAD_BYTES = 64 * 1024

NOT_HTTP = Problem(
    400,
    "This is not an HTTP/1.1 request. Characters of a URL beyond ASCII must be percent-encoded. "
    f"{ADVICE}",
)
NO_ROOM_TO_READ = unavailable(NO_ROOM_FOR_REQUESTS)
TOO_MANY = unavailable("The maximum number of clients is connected to this process.")
TOO_LONG = Problem(431, f"The request's headers are longer than {HEAD_BYTES} bytes.")
CUT_SHORT = Problem(400, "The request is incomplete: it ends before its head or its body does.")
TOO_SLOW = Problem(408, "The request's headers arrived too slowly.")
STOPPING = unavailable("The service is stopping, and the request was not complete.")


def answer(problem: Problem) -> bytes:
    """Return the bytes of this problem as the last answer of a connection."""
    status, headers, body = problem.answer()
    return b"".join((STATUS_LINE[status], header_lines([*headers, CLOSE]), b"\r\n", body))
