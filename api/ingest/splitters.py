"""Cutting a batch's body into its items while it arrives. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from api.formats import hints
from api.http.error_detail import ErrorDetail
from api.http.problems import Problem, closing
from storage.model.json_rules import STEPS, STRING


class Item(NamedTuple):
    """One item as it was sent; `line` counts from 1 where there are lines. None: too large."""

    body: bytes | None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Items one after the other: their texts, empty where one is too large, and their lines."""

    bodies: list[bytes]
    lines: list[int | None]

    @classmethod
    def of(cls, items: Iterable[Item]) -> "Cut":
        """These items."""
        found = list(items)
        return cls([item.body or b"" for item in found], [item.line for item in found])

    def __iter__(self) -> Iterator[Item]:
        """One by one."""
        for body, line in zip(self.bodies, self.lines, strict=True):
            yield Item(body or None, line)

    def parts(self, size: int) -> Iterator["Cut"]:
        """At most so many at a time."""
        for at in range(0, len(self.bodies), size):
            yield Cut(self.bodies[at : at + size], self.lines[at : at + size])


_BLANKS = b" \t\r"  # of JSON (RFC 8259, 2) within a line


class NdjsonSplitter:
    """NDJSON: an item a line, however long the body. Blank lines are none."""

    def __init__(self, item_bytes: int, max_lines: int) -> None:
        self._item_bytes = item_bytes
        self._max_lines = max_lines
        self._open = bytearray()  # the line that has not ended yet
        self._open_is_too_large = False
        self._line = 0

    @property
    def held(self) -> int:
        """Bytes that wait for their end."""
        return len(self._open)

    def feed(self, piece: bytes) -> Cut:
        """The items that end in this piece. Raises Problem 413 past the most lines."""
        if self._line + piece.count(b"\n") > self._max_lines:
            raise _too_much(f"{self._max_lines} lines")
        *ended, rest = piece.split(b"\n")
        cut = self._end(ended) if ended else Cut([], [])
        self._keep(rest)
        return cut

    def finish(self) -> Iterator[Item]:
        """The last line needs no end."""
        return iter(self._end([b""]))

    def _end(self, lines: list[bytes]) -> Cut:
        """These lines end; the first may have begun before. Blank ones are no items."""
        self._keep(lines[0])
        lines[0] = bytes(self._open)
        lines = [line.lstrip(_BLANKS) for line in lines]
        items = [at for at, line in enumerate(lines) if line]
        if self._open_is_too_large:
            lines[0] = b""
            items = [0, *(at for at in items if at)]
        bodies = [lines[at].removesuffix(b"\r") for at in items]
        if max(map(len, bodies), default=0) > self._item_bytes:
            bodies = [body if len(body) <= self._item_bytes else b"" for body in bodies]
        cut = Cut(bodies, [self._line + 1 + at for at in items])
        self._open, self._open_is_too_large = bytearray(), False
        self._line += len(lines)
        return cut

    def _keep(self, part: bytes) -> None:
        # Blanks before an item are no part of it, wherever the network has cut them.
        self._open += part if self._open else part.lstrip(_BLANKS)
        if len(self._open) > self._item_bytes + 1:  # a CR may still come off
            self._open.clear()
            self._open_is_too_large = True


class JsonArraySplitter:
    """JSON: an array, or `{"events": [...]}`. It is split when it has come whole."""

    def __init__(self, item_bytes: int, max_brackets: int) -> None:
        self._item_bytes = item_bytes
        self._max_brackets = max_brackets
        self._body = bytearray()

    @property
    def held(self) -> int:
        """Bytes that wait for their end."""
        return len(self._body)

    def feed(self, piece: bytes) -> Cut:
        """Nothing yet."""
        self._body += piece
        return Cut([], [])

    def finish(self) -> Iterator[Item]:
        """The items. Raises Problem 400 where no array can be seen, 422 for anything else, 413
        past the most brackets."""
        body, self._body = bytes(self._body), bytearray()
        for start, end in _places(body, self._max_brackets):
            yield Item(body[start:end] if end - start <= self._item_bytes else None)


_BLANK = rb"[ \t\r\n]*+"
_skip_blank = re.compile(_BLANK).match
_skip_to_bracket = re.compile(rb'(?:[^"\[\]{}]++|%b)*+' % STRING, re.DOTALL).match
_scalar = re.compile(rb"%b|[-+.\w]+" % STRING, re.DOTALL).match
_begin = re.compile(rb'%b(\{%b"events"%b:%b)?\[' % ((_BLANK,) * 4)).match
_any_value = re.compile(rb'%b[{"\w-]' % _BLANK).match


def _places(body: bytes, max_brackets: int) -> Iterator[tuple[int, int]]:
    """Where each item begins and ends: found by brackets, whatever else is in the item.

    A parser would need memory many times as large as the body, and stop at the first bad item.
    """
    begun = _begin(body)
    if begun is None:
        raise _no_array(body) if _any_value(body) else _not_json(body, 0, "an array")
    walk = _Walk(body, max_brackets)
    at = _next(body, begun.end())
    more = not body.startswith(b"]", at)
    while more:
        end = walk.end_of_item(at)
        yield at, end
        at = _next(body, end)
        more = body.startswith(b",", at)
        if more:
            at = _next(body, at + 1)
    at = _closed(body, at, b"]")
    if begun[1]:
        if body.startswith(b",", at):
            raise _no_array(body)
        at = _closed(body, at, b"}")
    if at < len(body):
        raise _not_json(body, at, "the end")


class _Walk:
    """Finds where items end, over so many brackets at most: each costs a step of Python."""

    def __init__(self, body: bytes, max_brackets: int) -> None:
        self._body = body
        self._most = self._left = 2 * max_brackets

    def end_of_item(self, start: int) -> int:
        """Behind the item that begins there."""
        body = self._body
        if body[start : start + 1] not in (b"{", b"["):
            found = _scalar(body, start)
            if found is None:
                raise _not_json(body, start, "an item")
            return found.end()
        at, depth = start, 0
        while at < len(body):
            self._count()
            depth += STEPS[body[at]]
            at += 1
            if depth == 0:
                return at
            at = _end(_skip_to_bracket(body, at))
        raise _not_json(body, at, "the end of the item that began before")

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _too_much(f"{self._most // 2} arrays and objects")


def _closed(body: bytes, at: int, bracket: bytes) -> int:
    if not body.startswith(bracket, at):
        raise _not_json(body, at, f"',' or '{bracket.decode()}'")
    return _next(body, at + 1)


def _next(body: bytes, at: int) -> int:
    """Behind the blanks."""
    return _end(_skip_blank(body, at))


def _end(found: re.Match[bytes] | None) -> int:
    assert found is not None  # these patterns match nothing, too
    return found.end()


def _not_json(body: bytes, at: int, expected: str) -> Problem:
    line = body.count(b"\n", 0, at) + 1
    column = at - body.rfind(b"\n", 0, at)
    where = f"at line {line}, byte {column}"
    told = Problem(400, f"The body is not a JSON array: expected {expected} {where}.")
    return told.with_hint(hints.AS_NDJSON if hints.is_ndjson(body) else None)


def _no_array(body: bytes) -> Problem:
    fault = "must be an array of events, or an object with nothing but such an array as events"
    told = Problem(422, "The body is no batch.", [ErrorDetail(fault, pointer="")])
    return told.with_hint(hints.for_batch(body))


def _too_much(most: str) -> Problem:
    return closing(413, f"A batch has at most {most}.")
