"""How a request says where its body ends (RFC 9112, 6). Pure.

The parser refuses a Content-Length beside a Transfer-Encoding, a second Content-Length, and a
malformed one. It accepts any transfer coding before `chunked`, and chunks in HTTP/1.0: both are
refused here.
"""

from api.http.headers import Headers, header_values
from api.http.problems import Problem

VERSIONS = ("1.1", "1.0")  # of HTTP that the service supports
ADVICE = (
    "Send a body with one Content-Length, or with `Transfer-Encoding: chunked` in HTTP/1.1. "
    "To compress it, use Content-Encoding."
)
TRANSFER_ENCODING = b"transfer-encoding"
HEADER_BYTES = 128  # that a header takes in memory beside its text
_URL_COPIES = 4  # in memory: as received, and its parts
_PERSIST = (b"close", b"keep-alive")


def framing_problem(version: str, headers: Headers) -> Problem | None:
    """Return why the end of the body is unknown, or its coding unsupported; None if all is well."""
    values = header_values(headers, TRANSFER_ENCODING)
    if not values:
        return None
    codings = [coding.strip(b" \t").lower() for coding in b",".join(values).split(b",")]
    if version != "1.1":
        return Problem(400, f"HTTP/{version} has no Transfer-Encoding. {ADVICE}")
    if codings[-1] != b"chunked" or codings.count(b"chunked") > 1:
        return Problem(400, f"The last transfer coding must be `chunked`, given once. {ADVICE}")
    if len(codings) > 1:
        return Problem(501, f"`chunked` is the only transfer coding supported. {ADVICE}")
    return None


def head_bytes(url: bytes, headers: Headers) -> int:
    """Return about how many bytes a head takes in memory."""
    text = sum([len(name) + len(value) for name, value in headers])
    return _URL_COPIES * len(url) + text + HEADER_BYTES * len(headers)


def head_without_upgrade(line: tuple[bytes, bytes, str], headers: Headers) -> bytes:
    """Return the head without the wish to upgrade; `line` is method, URL and version."""
    method, url, version = line
    lines = [b"%b %b HTTP/%b" % (method, url, version.encode())]
    for name, value in headers:
        if name == b"connection":
            kept = [token for token in value.split(b",") if token.strip().lower() in _PERSIST]
            lines.append(b"connection: " + b",".join(kept))
        elif name != b"upgrade":
            lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n"
