"""Split OTLP/JSON at its brackets where it is not all JSON. Pure.

A parser stops at the first text that no parser takes: half of a surrogate pair, an unknown escape,
NaN, thousands of brackets in each other. Brackets still show where each record ends, so such a text
costs the record that contains it and no other.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from api.formats.otlp.budget import Budget
from api.http.json_scan import PIECE_BYTES
from storage.model.json_rules import STEPS, STRING

_RECORDS = 6  # how many arrays and objects are around a log record
_DESCRIBED = (3, 5)  # around a resource; around a scope

_OPEN_OBJECT, _OPEN_BRACKETS = ord("{"), b"[{"
# Strings with an optional end: no repetition fails half-way, after which Python 3.11.2 goes on from
# the wrong place.
_skip_to_bracket = re.compile(rb'(?:[^"\[\]{}]++|(%b))*+' % STRING, re.DOTALL).match
_skip_string = re.compile(STRING, re.DOTALL).match

# The text that stays in an outline is schema URLs and what is unknown. As bytes that are not UTF-8
# a surrogate is refused where it is read, as any other text is.
_mark_surrogates = re.compile(rb"\\u[dD][89a-fA-F]..", re.DOTALL).sub
_MARK = b"\xed\xa0\x80"
MAX_MARKED_BYTES = PIECE_BYTES  # in one piece of text: all threads wait for it


@dataclass(frozen=True, slots=True)
class Outline:
    """A request in which a number stands for each record, resource and scope: `{"part":7}`."""

    text: bytearray
    parts: list[memoryview]

    def original(self, sent: msgspec.Raw) -> msgspec.Raw | memoryview:
        """Return what was sent in the place of this part of the outline."""
        text = bytes(memoryview(sent))
        return self.parts[int(text[8:-1])] if text.startswith(b"{") else sent


def outline(body: bytes | bytearray, brackets: Budget) -> Outline:
    """Cut out each record, resource and scope, whatever is in them.

    Raises Problem 413 past the budget.
    """
    text, parts = bytearray(), list[memoryview]()
    whole = memoryview(body)
    depth, done, part = 0, 0, None
    for at in _brackets(body):
        char = body[at]
        if char in _OPEN_BRACKETS:
            brackets.take()
            if part is None and _begins_part(depth, char):
                part = (at, depth)
                text += _marked(whole[done:at])
        depth += STEPS[char]
        if part is not None and depth == part[1]:
            text += b'{"part":%d}' % len(parts)
            parts.append(whole[part[0] : at + 1])
            done, part = at + 1, None
    text += _marked(whole[done:]) if part is None else b""
    return Outline(text, parts)


def _marked(text: memoryview) -> bytes | memoryview:
    return _mark_surrogates(_MARK, bytes(text)) if len(text) <= MAX_MARKED_BYTES else text


def _begins_part(depth: int, char: int) -> bool:
    return depth == _RECORDS or (depth in _DESCRIBED and char == _OPEN_OBJECT)


def _brackets(body: bytes | bytearray) -> Iterator[int]:
    """Yield the place of each bracket that is in no string."""
    at = 0
    while at < len(body):
        found = _skip_to_bracket(body, at, at + PIECE_BYTES)
        assert found is not None  # the pattern also matches the empty text
        if found.end() == at:
            yield at
            at += 1
        else:
            at = max(found.end(), _end_of_string(body, found.start(1)))


def _end_of_string(body: bytes | bytearray, start: int) -> int:
    """Return where the string ends, which may be behind the piece it begins in; 0 for none."""
    found = _skip_string(body, start) if start >= 0 else None
    return found.end() if found else 0
