"""Write server-sent events (WHATWG HTML, 9.2.6). Pure.

Every text here is on one line: JSON and tokens have no line ends. Many programs also part lines at
what is a line end for Unicode, so that is escaped, as JSON may be.
"""

MEDIA_TYPE = b"text/event-stream"
RETRY = b"retry: 1000\n\n"
"""Tells the client to come again after a second."""

AT = b"at"
SKIPPED = b"skipped"
GONE = b"gone"
ERASED = b"erased"

# Only strings of JSON have them.
_LINE_ENDS = [(end.encode(), b"\\u%04x" % ord(end)) for end in "\x85\u2028\u2029"]


def message(token: bytes, data: bytes) -> bytes:
    """Return an event of the stream that has an event of the feed."""
    for raw, escaped in _LINE_ENDS:
        if raw in data:
            data = data.replace(raw, escaped)
    return b"id: %b\ndata: %b\n\n" % (token, data)


def named(name: bytes, data: bytes, token: bytes | None = None) -> bytes:
    """Return an event of the stream with a name; with `token`, a client resumes behind it."""
    head = b"" if token is None else b"id: %b\n" % token
    return b"%bevent: %b\ndata: %b\n\n" % (head, name, data)
