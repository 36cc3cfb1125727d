"""Which JSON can be stored: the rules for depth, text and numbers. Pure.

Posted events and the `data` filter follow the same rules, so a filter can ask for whatever an event
can hold.
"""

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import accumulate
from math import isinf

MAX_JSON_DEPTH = 64
MAX_DIGITS = 4300  # Python's own bound, and that of many other readers, on one number

# What PostgreSQL's numeric holds, and jsonb keeps numbers as numeric (table 8.2 of its manual;
# tried on 18.6: 1e131071 and 1e-16383 are taken, 1e131072 and 1.0e-16383 are refused).
_MAX_ADJUSTED_EXPONENT = 131_071
_MAX_FRACTION_DIGITS = 16_383

# A JSON string with an optional closing quote, so that the pattern is linear for any text.
STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?'
# By how much each bracket changes the depth.
STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}

_remove_strings = partial(re.compile(STRING, re.DOTALL).sub, b"")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in STEPS)


def is_too_deep(body: bytes, max_depth: int) -> bool:
    """Return whether more than `max_depth` arrays and objects are nested.

    Parsers fail on text that is nested too deep, each in its own way: call this before parsing.
    """
    if body.count(b"[") + body.count(b"{") <= max_depth:
        return False
    brackets = _remove_strings(body).translate(None, _NOT_BRACKETS)
    return max(accumulate(map(STEPS.__getitem__, brackets)), default=0) > max_depth


def text_faults(text: str) -> Iterator[str]:
    """Yield what makes a string or a name impossible to store in PostgreSQL."""
    if "\0" in text:
        yield "contains a NUL character, which can't be stored"
    if not _is_unicode(text):
        yield "contains a lone surrogate (half of a surrogate pair)"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def digits_fault(literal: str) -> str | None:
    """Return what is wrong with a number of very many digits.

    The sign, the decimal point and the exponent are not counted.
    """
    digits = len(literal.lower().partition("e")[0].lstrip("-").replace(".", ""))
    return f"has {digits} digits; at most {MAX_DIGITS} are kept" if digits > MAX_DIGITS else None


def exponent_of(literal: str) -> int:
    """Return the exponent of a number without its sign; one of six digits or more is cut off."""
    return int(literal.lower().partition("e")[2].lstrip("+-0")[:5] or "0")


def number_fault(literal: str) -> str | None:
    """Return what is wrong with the number of a posted event. A float would lose digits.

    A number with an exponent is a 64-bit float to most readers, so it must be finite there. Its
    exponent is at most MAX_DIGITS, up or down: then PostgreSQL writes out at most 309 digits before
    the point and 8,600 after it. `numeric` holds 131,072 and 16,383. Zeros follow the same rule.
    """
    if fault := digits_fault(literal):
        return fault
    exponent = exponent_of(literal)
    if exponent > MAX_DIGITS:
        return f"overflows: its exponent is beyond {MAX_DIGITS}"
    if exponent and isinf(float(literal)):
        return "overflows: it is infinite as a 64-bit float"
    return None


def constant_fault(literal: str) -> str:
    """Return what is wrong with NaN, Infinity and -Infinity (RFC 8259, 6)."""
    return f"{literal} is not a JSON number"


def fits_numeric(literal: str) -> bool:
    """Return whether PostgreSQL can store the number, whoever wrote it."""
    try:
        number = Decimal(literal)
    except InvalidOperation:
        return False
    exponent = number.as_tuple().exponent
    fine_enough = isinstance(exponent, int) and exponent >= -_MAX_FRACTION_DIGITS
    return fine_enough and number.adjusted() <= _MAX_ADJUSTED_EXPONENT
