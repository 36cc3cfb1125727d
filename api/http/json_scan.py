"""Scan JSON of any size, piece by piece. Pure.

A function in C keeps all threads waiting: one regular expression over 16 MiB of escapes or tiny
strings takes seconds, and a gigabyte of memory.
"""

import codecs
import re
from collections.abc import Container, Iterator
from typing import TypeVar

from api.http.problems import Problem
from storage.model.json_rules import STEPS

PIECE_BYTES = 256 * 1024

_COMMA = ord(",")
_NO_STRUCTURE = bytes(byte for byte in range(256) if byte not in b"[]{},")


_BOM = codecs.BOM_UTF8
BOM_BYTES = len(_BOM)

Text = TypeVar("Text", bytes, bytearray, bytes | bytearray)


def without_bom(body: Text) -> Text:
    """Leave out a byte order mark at the start (RFC 8259, 8.1 allows it): some editors add one."""
    return body[len(_BOM) :] if body.startswith(_BOM) else body


def require_utf8(body: bytes | bytearray) -> None:
    """Check the encoding piece by piece: decoded as a whole, a body could be four times as large.

    Raises Problem 400 for a body that is not UTF-8.
    """
    at = 0
    while at < len(body):
        piece = body[at : at + PIECE_BYTES]
        try:
            at += codecs.utf_8_decode(piece, "strict", at + len(piece) == len(body))[1]
        except UnicodeDecodeError as error:
            detail = f"The body is not UTF-8: byte {at + error.start} is wrong."
            raise Problem(400, detail) from None


def has_more_commas(body: bytes | bytearray, most: int, depths: Container[int]) -> bool:
    """Return whether more than `most` commas outside of strings lie at one of these depths."""
    if body.count(b",") <= most:
        return False
    depth = found = 0
    for structure in _structure(body):
        for char in structure:
            if char == _COMMA:
                found += depth in depths
            else:
                depth += STEPS[char]
        if found > most:
            return True
    return False


def _structure(body: bytes | bytearray) -> Iterator[bytes]:
    """Yield the brackets and commas outside of strings, piece by piece."""
    in_string, rest = 0, b""
    for start in range(0, len(body), PIECE_BYTES):
        text = (rest + body[start : start + PIECE_BYTES]).replace(rb"\\", b"")
        rest = b"\\" if text.endswith(b"\\") else b""  # it escapes the first byte of the next piece
        parts = text.replace(rb"\"", b"").split(b'"')
        yield b"".join(parts[in_string::2]).translate(None, _NO_STRUCTURE)
        in_string = (in_string + len(parts) - 1) % 2


# Anything but half of a surrogate pair. An escape cut off by a piece is left to the next piece.
_skip_whole = re.compile(
    rb"(?:[^\\]++|\\[^u]|\\u(?:[^dD]|[dD][0-7])|\\u[dD][89aAbB]..\\u[dD][c-fC-F]..)*+", re.DOTALL
).match
_half_of_a_pair = re.compile(rb"\\u[dD][89a-fA-F]").match


def has_half_of_a_pair(body: bytes | bytearray | memoryview) -> bool:
    """Return whether half of a surrogate pair is escaped in it, before any malformed escape."""
    at, end = -1, 0
    while at < end:
        at = end
        found = _skip_whole(body, at, at + PIECE_BYTES)
        assert found is not None  # it also matches the empty string
        end = found.end()
    return _half_of_a_pair(body, at) is not None
