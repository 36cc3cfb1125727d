"""What a client gets that may not do what it asks for. Pure."""

from collections.abc import Sequence

from api.http.problems import Problem, unavailable
from storage.access.api_key import Scope

_CHALLENGE = b"www-authenticate"

# Of the patterns of a key: each item of a batch may get the answer.
_MAX_SHOWN = 5
_MAX_CHARACTERS = 60


def unauthorized() -> Problem:
    """Return the one 401 for a missing, malformed, unknown, expired and revoked key.

    Never raise one problem twice: its traceback would grow.
    """
    return Problem(
        401,
        "This needs a valid API key: send the header `Authorization` in the form `Bearer KEY`.",
        headers=((_CHALLENGE, b"Bearer"),),
    )


def keys_unknown() -> Problem:
    """Return the 503 for a time in which no home of keys could be read."""
    return unavailable("API keys can't be read right now, so nobody is let in.")


def lacks(scope: Scope) -> Problem:
    """Return the 403 for a key without this scope."""
    challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
    return Problem(
        403, f"This key lacks the scope `{scope}`.", headers=((_CHALLENGE, challenge.encode()),)
    )


def outside(field: str, patterns: Sequence[str]) -> Problem:
    """Return the 403 for an event whose `component` or `environment` the key may not post."""
    shown = [f"`{pattern[:_MAX_CHARACTERS]}`" for pattern in patterns[:_MAX_SHOWN]]
    more = ["..."] if len(patterns) > _MAX_SHOWN else []
    return Problem(
        403,
        f"This key may not post this `{field}`, only {', '.join(shown + more)}.",
    )
