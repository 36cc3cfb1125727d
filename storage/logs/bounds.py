"""Bound the size of what is logged. Pure."""

from storage.logs.redaction import redact

MESSAGE_CHARACTERS = 8 * 1024
EXCEPTION_CHARACTERS = 16 * 1024
_READ_TIMES = 4  # so many times the bound is searched for secrets, before the rest is cut
_CUT = " …[cut]… "


def bounded_message(text: str) -> str:
    """Return the redacted beginning of a message."""
    return _bounded(text, MESSAGE_CHARACTERS, MESSAGE_CHARACTERS)


def bounded_exception(text: str) -> str:
    """Return the redacted traceback; of a long one the beginning, and more of the end."""
    return _bounded(text, EXCEPTION_CHARACTERS, EXCEPTION_CHARACTERS // 4)


def _bounded(text: str, most: int, of_beginning: int) -> str:
    """Cut before and after redacting: a cut before it may part a secret, far behind the bound."""
    return _cut(
        redact(_cut(text, _READ_TIMES * most, _READ_TIMES * of_beginning)), most, of_beginning
    )


def _cut(text: str, most: int, of_beginning: int) -> str:
    if len(text) <= most:
        return text
    end = most - of_beginning
    return f"{text[:of_beginning]}{_CUT}{text[-end:] if end else ''}"
