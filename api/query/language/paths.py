"""A path in `data` as a question writes it: keys with dots between them, some in quotes. Pure."""

import re
from collections.abc import Iterator

from api.query.pairs import quoted
from storage.model.json_rules import MAX_JSON_DEPTH
from storage.model.where import Path

QUOTED = r'"(?:[^"\\]|\\.)*+"'
"""A text in quotes, as a pattern."""

_keys = re.compile(rf'\.(?:({QUOTED})|([^."]*+))', re.DOTALL).finditer
_escaped = re.compile(r'\\(["\\])').sub
_unusual = re.compile(r"[~*\[\]]").search


def unquoted(text: str) -> str:
    r"""Return what stands within the quotes; `\"` is a quote there, and `\\` a backslash."""
    return _escaped(r"\1", text[1:-1])


def path_of(name: str) -> Path:
    """Return the keys of a name that begins with `data.`. Raises ValueError."""
    keys = tuple(_read(name.removeprefix("data")))
    if len(keys) > MAX_JSON_DEPTH:
        raise ValueError(f"the path has more than {MAX_JSON_DEPTH} keys")
    return keys


def _read(rest: str) -> Iterator[str]:
    for match in _keys(rest):
        in_quotes, plain = match.groups()
        if in_quotes is not None:
            yield unquoted(in_quotes)
            continue
        if not plain:
            raise ValueError('the path has an empty key; for such a key write ""')
        if found := _unusual(plain):
            raise ValueError(
                f"a path has no {found[0]!r}: it is keys with dots between them; a key with such "
                f'characters stands in quotes, as in data."{quoted(plain)}":5'
            )
        yield plain
