"""What a client gets that may not do what it asks for. Pure."""

from collections.abc import Sequence

from api.http.error_detail import ErrorDetail
from api.http.problems import Problem, unavailable
from storage.access.api_key import Scope

_CHALLENGE = b"www-authenticate"

# Of the patterns of a key: each item of a batch may get the answer.
_MAX_SHOWN = 5
_MAX_CHARACTERS = 60


class NoKey(Problem):
    """The same 401 for a request without a key: it may have a session."""


def unauthorized(kind: type[Problem] = Problem) -> Problem:
    """Return the one 401 for a missing, malformed, unknown, expired and revoked key.

    Never raise one problem twice: its traceback would grow.
    """
    return kind(
        401,
        "This needs a valid API key: send the header `Authorization` in the form `Bearer KEY`.",
        headers=((_CHALLENGE, b"Bearer"),),
    )


def keys_unknown() -> Problem:
    """Return the 503 for a time in which no home of keys could be read."""
    return unavailable("API keys can't be read right now, so nobody is let in.")


def sessions_unknown(is_refused: bool) -> Problem:
    """Return the 503 for a time in which control can't tell whether a session is there.

    `is_refused`: it answers, but refuses this to the service's user.
    """
    why = (
        "control refuses it to the service's user, which lacks a right (see `activity doctor`)"
        if is_refused
        else "control does not answer"
    )
    return unavailable(
        f"Sessions can't be read right now, because {why}. Requests with an API key in the header "
        "`Authorization` need no session."
    )


def foreign_page() -> Problem:
    """Return the 403 for a change with a session that another page may have asked for."""
    return Problem(
        403,
        "A session changes something only for the service's own page, with the header "
        "`Activity-Explorer: 1`. Programs send their API key in `Authorization` instead.",
        [ErrorDetail("must be 1, from the service's own page", header="Activity-Explorer")],
    )


def lacks(scope: Scope) -> Problem:
    """Return the 403 for a key without this scope."""
    challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
    return Problem(
        403, f"This key lacks the scope `{scope}`.", headers=((_CHALLENGE, challenge.encode()),)
    )


def needs_key(scope: Scope) -> Problem:
    """Return the 403 for a client without a key, from whom this scope is kept."""
    return Problem(
        403,
        "Other machines can reach this service, so this needs an API key with the scope "
        f"`{scope}`, also while nothing else needs a key.",
    )


def outside(field: str, patterns: Sequence[str]) -> Problem:
    """Return the 403 for an event whose `component` or `environment` the key may not post."""
    shown = [f"`{pattern[:_MAX_CHARACTERS]}`" for pattern in patterns[:_MAX_SHOWN]]
    more = ["..."] if len(patterns) > _MAX_SHOWN else []
    return Problem(
        403,
        f"This key may not post this `{field}`, only {', '.join(shown + more)}.",
    )
