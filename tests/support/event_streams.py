"""Read server-sent events as a browser does (WHATWG HTML, 9.2.6); follow the feed."""

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Dispatched:
    """An event as an EventSource dispatches it."""

    type: str
    data: str
    last_event_id: str


class Parser:
    """Interprets a stream line by line, as the standard says."""

    def __init__(self) -> None:
        self.last_event_id = ""
        self.retry_ms: int | None = None
        self._id = ""
        self._type = ""
        self._data: list[str] = []

    def line(self, line: str) -> Dispatched | None:
        """Take a line without its end; return the event that it dispatches, if any."""
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            return None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_ms = int(value)
        return None

    def _dispatch(self) -> Dispatched | None:
        self.last_event_id = self._id
        data, self._data = self._data, []
        kind, self._type = self._type, ""
        if not data:
            return None
        return Dispatched(kind or "message", "\n".join(data), self.last_event_id)


_LINE_END = re.compile("\r\n|\n|\r")


def lines_of(parts: Iterable[bytes]) -> Iterator[str]:
    """Yield each line once its end is there; a line feed that follows in another part is no end."""
    decode, rest, is_within_end = getincrementaldecoder("utf-8-sig")().decode, "", False
    for part in parts:
        text = decode(part)
        if is_within_end:
            text = text.removeprefix("\n")
        is_within_end = text.endswith("\r")
        *lines, rest = _LINE_END.split(rest + text)
        yield from lines


class Stream:
    """An open stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.parser = Parser()
        self._lines = lines_of(response.iter_bytes())

    def __iter__(self) -> Iterator[Dispatched]:
        for line in self._lines:
            if event := self.parser.line(line):
                yield event

    def next(self, kind: str) -> Any:
        """Return the data of the next event of that type."""
        return next(json.loads(event.data) for event in self if event.type == kind)

    def take(self, count: int) -> list[Any]:
        """Return the next events of the feed, so many."""
        taken: list[Any] = []
        for event in self:
            if event.type == "message":
                taken.append(json.loads(event.data))
            if len(taken) == count:
                break
        return taken


@contextmanager
def tail(http: httpx.Client, last_event_id: str | None = None, **asked: object) -> Iterator[Stream]:
    """Open a tail that must be answered with 200."""
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    params: Any = {name.replace("__", "-"): value for name, value in asked.items()}
    with http.stream("GET", "/events/tail", params=params, headers=headers) as response:
        if response.status_code != 200:
            response.read()
        assert response.status_code == 200, response.text
        yield Stream(response)


def changes(http: httpx.Client, **asked: Any) -> dict[str, Any]:
    """Return the answer to a poll that must succeed."""
    answer = http.get("/events/changes", params=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["activity-lag"]
    assert "etag" not in answer.headers
    found: dict[str, Any] = answer.json()
    assert set(found) == {"events", "erased", "next", "behind"}
    return found


def ids(found: dict[str, Any]) -> list[str]:
    """Return the ids in an answer."""
    return [each["id"] for each in found["events"]]


def read_on(http: httpx.Client, after: str, **asked: Any) -> Iterator[str]:
    """Yield the ids from this token on, until nothing is behind."""
    while True:
        found = changes(http, after=after, **asked)
        yield from ids(found)
        after = found["next"]
        if not found["behind"]:
            return
