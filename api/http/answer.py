"""A whole answer, ready to be sent by the protocol, by ASGI messages, or by a route."""

from typing import NamedTuple

from starlette.responses import Response
from starlette.types import Message

from api.http.headers import Headers

JSON = "application/json"
LINE_FEED = b"\n"  # ends all JSON, so that a shell's prompt starts on a line of its own


class Answer(NamedTuple):
    """A status, all headers but those of the connection, and a body."""

    status: int
    headers: Headers
    body: bytes

    def messages(self) -> tuple[Message, Message]:
        """Return the start and the body as ASGI messages."""
        return (
            {"type": "http.response.start", "status": self.status, "headers": self.headers},
            {"type": "http.response.body", "body": self.body},
        )


class AnswerResponse(Response):
    """An answer as a route returns it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body, answer.status)
        self.raw_headers = list(answer.headers)


def content_headers(media_type: bytes, body: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers that describe a body."""
    return [(b"content-type", media_type), (b"content-length", b"%d" % len(body))]


def is_last(message: Message) -> bool:
    """Return whether this ASGI message ends an answer."""
    return message["type"] == "http.response.body" and not message.get("more_body")
