"""Keep passwords and tokens out of every text that leaves the process. Pure but for `learn`.

A secret that the process knows is replaced wherever it occurs, also in its escaped forms. What
looks like a secret is replaced too: the password in a URL or a DSN, a bearer token, and a key of
this service or a session (`act_<id>_<secret>`, `acts_<id>_<end>_<secret>`, of which the id stays).
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from storage.logs.one_line import one_line

MASK = "***"
# A shorter secret is only replaced where it looks like one: else no log could be read. It must be
# longer than MASK, so that each replacement makes a text shorter.
MIN_CHARACTERS = 4

# Where a user and a colon begin in a URL, plain and percent-encoded. The password goes on to the
# last `@` of the word: it may contain what should be percent-encoded.
_USER = re.compile(r"://[^\s:/?#@]*:")
_ENCODED_USER = re.compile(r"%3A%2F%2F(?:(?!%3A|%40)\S)*%3A", re.IGNORECASE)
_WORD = re.compile(r"\S+")
# `password=secret`, `'password': 'secret'`, `?password=secret&`, as a DSN, JSON or Python has it.
_VALUES = (
    r"\*{3}(?=[\s,&)}\]]|$)",  # replaced before
    r"""\\(['"])(?:(?!\\\2).)*(?:\\\2)?""",
    r"'(?:\\.|[^'\\])*'?",
    r'"(?:\\.|[^"\\])*"?',
    r"""[^\s&'"]+""",
)
_ASSIGNMENT = re.compile(
    r"""((?:password|passwd|secret)(?:\s*=|\\?["']\s*[:=])\s*)(?:{})""".format("|".join(_VALUES)),
    re.IGNORECASE | re.DOTALL,
)
_AUTHORIZATION = re.compile(
    r"""(authorization\\?["']?\s*[=:,]\s*(?:b?\\?["'])?(?:(?:bearer|basic)\s+)?)[^\s"']+""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"""(bearer\s+)[^\s"',;]{8,}""", re.IGNORECASE)
_KEY = re.compile(r"(acts?_[0-9A-Za-z]{4,12}_(?:[0-9]{1,11}_)?)[0-9A-Za-z]{8,}")


class _Known(NamedTuple):
    """The secrets that `learn` was given, and a pattern for all of their forms."""

    secrets: frozenset[str]
    forms: re.Pattern[str] | None


_known = _Known(frozenset(), None)


def learn(*secrets: str) -> None:
    """Remember secrets of this process, which `redact` will replace wherever they occur."""
    global _known
    added = {secret for secret in secrets if len(secret) >= MIN_CHARACTERS}
    if added <= _known.secrets:
        return
    all_of_them = _known.secrets | added
    forms = {form for secret in all_of_them for form in _forms(secret)}
    longest_first = sorted(forms, key=len, reverse=True)
    _known = _Known(all_of_them, re.compile("|".join(map(re.escape, longest_first))))


def redact(text: str) -> str:
    """Return the text with MASK in place of every secret."""
    text = _without_known(text)  # first: a pattern may end within a secret
    if "://" in text and "@" in text:
        text = _WORD.sub(lambda word: _without_password(word[0], _USER, "@"), text)
    if "%40" in text:
        text = _WORD.sub(lambda word: _without_password(word[0], _ENCODED_USER, "%40"), text)
    text = _ASSIGNMENT.sub(rf"\1{MASK}", text)
    text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
    text = _BEARER.sub(rf"\1{MASK}", text)
    text = _KEY.sub(r"\1…", text)
    return _without_known(text)


def reveals(text: str) -> bool:
    """Return whether a known secret is in the text."""
    return _known.forms is not None and _known.forms.search(text) is not None


def _without_known(text: str) -> str:
    """Replace the known secrets until there is none: a mask beside other text may be one."""
    forms = _known.forms
    if forms is None:
        return text
    replaced = 1
    while replaced:
        text, replaced = forms.subn(MASK, text)
    return text


def _without_password(word: str, user: re.Pattern[str], at: str) -> str:
    """Replace what is between the first user and the last `at`, in linear time."""
    end = word.rfind(at)
    begun = user.search(word, 0, max(end, 0))
    return f"{word[: begun.end()]}{MASK}{word[end:]}" if begun else word


def _forms(secret: str) -> Iterator[str]:
    """Yield the secret as it is, and as URLs, Python, JSON and our own lines write it."""
    yield secret
    for encoded in (quote(secret, safe="", errors="replace"), quote(secret, errors="replace")):
        yield encoded
        yield re.sub("%..", lambda escape: escape[0].lower(), encoded)
    yield quote_plus(secret, errors="replace")
    yield repr(secret)[1:-1]
    yield repr(secret.encode(errors="replace"))[2:-1]
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield one_line(secret)
