"""What a connection is told before it is closed."""

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api.http.headers import CLOSE, header_lines
from api.http.problems import Problem, unavailable
from api.server.framing import ADVICE

HEAD_BYTES = 64 * 1024

NOT_HTTP = Problem(
    400,
    "This is not a request of HTTP/1.1. In a URL, what is beyond ASCII must be percent-encoded. "
    f"{ADVICE}",
)
NO_ROOM_TO_READ = unavailable("Other requests are being read, as many as there is room for.")
TOO_MANY = unavailable("As many clients are connected as one process serves.")
TOO_LONG = Problem(431, f"Its headers are longer than {HEAD_BYTES} bytes.")
CUT_SHORT = Problem(400, "The request ends before its head or its body does.")
TOO_SLOW = Problem(408, "Its headers came too slowly.")
STOPPING = unavailable("The service is stopping and had not received the whole request.")


def answer(problem: Problem) -> bytes:
    """Return it as the last answer of a connection."""
    status, headers, body = problem.answer()
    return b"".join((STATUS_LINE[status], header_lines([*headers, CLOSE]), b"\r\n", body))
