"""Escape texts for a terminal, and count the cells that they take there. Pure.

What a producer posted must not move the cursor, change colours or reverse the order of a line. The
Unicode tables of Python say which characters are wide; `docs/decisions/0005-dependencies.md` says
why no library does.
"""

import re
import unicodedata
from functools import lru_cache

ELLIPSIS = "…"

_JOINERS = "\u200c\u200d"  # parts of words in Persian and of emoji; they take no cell
_EMOJI_SIGN = "\ufe0f"  # shows the character before it as an emoji, which is wide
_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
# C0, DEL and C1, the soft hyphen, signs of direction, what is invisible, line and paragraph ends,
# and tags, which hide a text within another.
_UNSAFE = (
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_replace_unsafe = re.compile(_UNSAFE).sub
_replace_unsafe_in_lines = re.compile(_UNSAFE.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f")).sub


def escaped(text: str) -> str:
    r"""Return a text of one line: control characters as `\n`, `\x1b` or `\u202e`."""
    return text if text.isascii() and text.isprintable() else _replace_unsafe(_escape, text)


def escaped_lines(text: str) -> str:
    """Return a text in which line ends stay, and nothing else that `escaped` replaces."""
    return _replace_unsafe_in_lines(_escape, text)


def json_escaped(line: str) -> str:
    r"""Return JSON that is equal, and safe on a terminal: `\u009b` within its strings."""
    return line if line.isascii() and line.isprintable() else _replace_unsafe(_json_escape, line)


def width(text: str) -> int:
    """Return the number of cells that an escaped text takes."""
    if text.isascii():
        return len(text)
    cells = before = 0
    for character in text:
        own = 1 if character == _EMOJI_SIGN and before == 1 else _cells(character)
        cells += own
        before = own
    return cells


def cut(text: str, most: int) -> str:
    """Return the longest beginning that takes at most `most` cells, with an ellipsis if it is cut.

    Nothing fits into no cells.
    """
    if width(text) <= most:
        return text
    if most <= 0:
        return ""
    end = room = 0
    for end, character in enumerate(text):  # noqa: B007 - where the loop ended
        room += 1 if character == _EMOJI_SIGN else _cells(character)
        if room > most - 1:
            break
    return text[:end] + ELLIPSIS


@lru_cache(4096)
def _cells(character: str) -> int:
    if character in _JOINERS or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    if "\u1160" <= character <= "\u11ff" or "\ud7b0" <= character <= "\ud7ff":
        return 0  # the vowels and last consonants of Korean syllables
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
