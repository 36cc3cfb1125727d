"""Patterns of names: a name, or a prefix with `*` behind it. Pure."""

from collections.abc import Iterable
from functools import lru_cache

Patterns = tuple[str, ...]
"""Patterns in their canonical form: `simplify` returns it. Empty: every name matches."""

ANY_REST = "*"


def simplify(patterns: Iterable[str]) -> Patterns:
    """Return the canonical form of the patterns: equal for equal sets of names, as far as possible.

    A pattern is left out if another one matches all of its names. So is every pattern, if one of
    them matches every name.
    """
    given = set(patterns)
    names, prefixes = names_of(given), prefixes_of(given)
    shortest = {one for one in prefixes if not _begins_with_another(one, prefixes)}
    if "" in shortest:
        return ()
    kept = {name for name in names if not name.startswith(tuple(shortest))}
    return tuple(sorted(kept | {prefix + ANY_REST for prefix in shortest}))


def names_of(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the patterns that are a name."""
    return tuple(one for one in patterns if not one.endswith(ANY_REST))


def prefixes_of(patterns: Iterable[str]) -> tuple[str, ...]:
    """Return the prefixes of the other patterns."""
    return tuple(one.removesuffix(ANY_REST) for one in patterns if one.endswith(ANY_REST))


def matches(patterns: Patterns, name: str) -> bool:
    """Return whether one of the patterns matches the name, or there are no patterns."""
    names, prefixes = _compiled(patterns)
    return not patterns or name in names or name.startswith(prefixes)


@lru_cache(4096)
def _compiled(patterns: Patterns) -> tuple[frozenset[str], tuple[str, ...]]:
    return frozenset(names_of(patterns)), prefixes_of(patterns)


def _begins_with_another(prefix: str, prefixes: Iterable[str]) -> bool:
    return any(prefix.startswith(other) for other in prefixes if other != prefix)
