"""Headers as ASGI has them: pairs of bytes, names in lower case. Pure."""

from collections.abc import Sequence

Headers = Sequence[tuple[bytes, bytes]]

CLOSE = (b"connection", b"close")


def header_values(headers: Headers, name: bytes) -> list[bytes]:
    """Return the value of each header with this name, in the order of the lines."""
    return [value for header, value in headers if header == name]


def texts(headers: Headers) -> dict[str, str]:
    """Return headers, none of them repeated, as a route gives them."""
    return {name.decode(): value.decode("latin-1") for name, value in headers}


def header_lines(headers: Headers) -> bytes:
    """Return the lines of an HTTP/1.1 head, each with its line end."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])
