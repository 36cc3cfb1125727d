"""Split a batch's body into its items while it arrives. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from api.formats import hints
from api.http.error_detail import ErrorDetail
from api.http.problems import Problem, closing
from storage.model.json_rules import STEPS, STRING


class Item(NamedTuple):
    """One item as sent. `body` is None if it is too large; `line` counts from 1 in NDJSON."""

    body: bytes | None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Items:
    """Consecutive items: their bodies, empty if an item is too large, and their line numbers."""

    bodies: list[bytes]
    lines: list[int | None]

    @classmethod
    def of(cls, items: Iterable[Item]) -> "Items":
        """Collect items."""
        found = list(items)
        return cls([item.body or b"" for item in found], [item.line for item in found])

    def __iter__(self) -> Iterator[Item]:
        """Iterate over the items one by one."""
        for body, line in zip(self.bodies, self.lines, strict=True):
            yield Item(body or None, line)

    def parts(self, size: int) -> Iterator["Items"]:
        """Iterate over the items in parts of at most `size`."""
        for at in range(0, len(self.bodies), size):
            yield Items(self.bodies[at : at + size], self.lines[at : at + size])


_BLANKS = b" \t\r"  # of JSON (RFC 8259, 2) within a line


class NdjsonSplitter:
    """Splits NDJSON: one item per line, however long the body. Blank lines are skipped."""

    def __init__(self, item_bytes: int, max_lines: int) -> None:
        self._item_bytes = item_bytes
        self._max_lines = max_lines
        self._rest = bytearray()  # of a line that has not ended yet
        self._rest_is_too_large = False
        self._line = 0

    @property
    def held(self) -> int:
        """Bytes of the unfinished line."""
        return len(self._rest)

    def feed(self, piece: bytes) -> Items:
        """Return the items that end in this piece. Raises Problem 413 for too many lines."""
        if self._line + piece.count(b"\n") > self._max_lines:
            raise _too_many(f"{self._max_lines} lines")
        *ended, rest = piece.split(b"\n")
        items = self._end(ended) if ended else Items([], [])
        self._keep(rest)
        return items

    def finish(self) -> Iterator[Item]:
        """Return the last item: the last line needs no line end."""
        return iter(self._end([b""]))

    def _end(self, lines: list[bytes]) -> Items:
        """Return the items of lines that end now; the first may have begun in an earlier piece."""
        self._keep(lines[0])
        lines[0] = bytes(self._rest)
        lines = [line.lstrip(_BLANKS) for line in lines]
        filled = [at for at, line in enumerate(lines) if line]
        if self._rest_is_too_large:
            lines[0] = b""
            filled = [0, *(at for at in filled if at)]
        bodies = [lines[at].removesuffix(b"\r") for at in filled]
        if max(map(len, bodies), default=0) > self._item_bytes:
            bodies = [body if len(body) <= self._item_bytes else b"" for body in bodies]
        items = Items(bodies, [self._line + 1 + at for at in filled])
        self._rest, self._rest_is_too_large = bytearray(), False
        self._line += len(lines)
        return items

    def _keep(self, part: bytes) -> None:
        # Blanks before an item don't count as its bytes, wherever the network has split them.
        self._rest += part if self._rest else part.lstrip(_BLANKS)
        if len(self._rest) > self._item_bytes + 1:  # a CR at the end doesn't count
            self._rest.clear()
            self._rest_is_too_large = True


class JsonArraySplitter:
    """Splits a JSON array, or `{"events": [...]}`, once the whole body has arrived."""

    def __init__(self, item_bytes: int, max_brackets: int) -> None:
        self._item_bytes = item_bytes
        self._max_brackets = max_brackets
        self._body = bytearray()

    @property
    def held(self) -> int:
        """Bytes kept until the body is complete."""
        return len(self._body)

    def feed(self, piece: bytes) -> Items:
        """Keep the piece; return no items yet."""
        self._body += piece
        return Items([], [])

    def finish(self) -> Iterator[Item]:
        """Iterate over the items.

        Raises Problem 400 if the body is not JSON, 422 if it is not an array, 413 for too many
        brackets.
        """
        body, self._body = bytes(self._body), bytearray()
        for start, end in _spans(body, self._max_brackets):
            yield Item(body[start:end] if end - start <= self._item_bytes else None)


_BLANK = rb"[ \t\r\n]*+"
_skip_blank = re.compile(_BLANK).match
_skip_to_bracket = re.compile(rb'(?:[^"\[\]{}]++|%b)*+' % STRING, re.DOTALL).match
_scalar = re.compile(rb"%b|[-+.\w]+" % STRING, re.DOTALL).match
_begin = re.compile(rb'%b(\{%b"events"%b:%b)?\[' % ((_BLANK,) * 4)).match
_any_value = re.compile(rb'%b[{"\w-]' % _BLANK).match


def _spans(body: bytes, max_brackets: int) -> Iterator[tuple[int, int]]:
    """Iterate over start and end of each item, found by its brackets; its content is not checked.

    A parser would need memory many times as large as the body, and stop at the first invalid item.
    """
    begin = _begin(body)
    if begin is None:
        raise _not_an_array(body) if _any_value(body) else _not_json(body, 0, "an array")
    walk = _Walk(body, max_brackets)
    at = _next(body, begin.end())
    more = not body.startswith(b"]", at)
    while more:
        end = walk.end_of_item(at)
        yield at, end
        at = _next(body, end)
        more = body.startswith(b",", at)
        if more:
            at = _next(body, at + 1)
    at = _closed(body, at, b"]")
    if begin[1]:
        if body.startswith(b",", at):
            raise _not_an_array(body)
        at = _closed(body, at, b"}")
    if at < len(body):
        raise _not_json(body, at, "the end")


class _Walk:
    """Finds the ends of items, over a bounded number of brackets: each costs a step in Python."""

    def __init__(self, body: bytes, max_brackets: int) -> None:
        self._body = body
        self._max = self._left = 2 * max_brackets

    def end_of_item(self, start: int) -> int:
        """Return the position after the item that begins at `start`."""
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
            raise _too_many(f"{self._max // 2} arrays and objects")


def _closed(body: bytes, at: int, bracket: bytes) -> int:
    if not body.startswith(bracket, at):
        raise _not_json(body, at, f"',' or '{bracket.decode()}'")
    return _next(body, at + 1)


def _next(body: bytes, at: int) -> int:
    """Return the position after the blanks at `at`."""
    return _end(_skip_blank(body, at))


def _end(found: re.Match[bytes] | None) -> int:
    assert found is not None  # these patterns match the empty string too
    return found.end()


def _not_json(body: bytes, at: int, expected: str) -> Problem:
    line = body.count(b"\n", 0, at) + 1
    column = at - body.rfind(b"\n", 0, at)
    where = f"at line {line}, byte {column}"
    problem = Problem(400, f"The body is not a JSON array: expected {expected} {where}.")
    return problem.with_hint(hints.AS_NDJSON if hints.is_ndjson(body) else None)


def _not_an_array(body: bytes) -> Problem:
    error = "must be an array of events, or an object whose only member, events, is such an array"
    problem = Problem(422, "The body is not a batch.", [ErrorDetail(error, pointer="")])
    return problem.with_hint(hints.for_batch(body))


def _too_many(limit: str) -> Problem:
    return closing(413, f"A batch can have at most {limit}.")
