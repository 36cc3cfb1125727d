"""The query parameters of a POST: `ack`, `atomic`, `dry_run` and `import`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.datastructures import QueryParams

from api.auth.access import IMPORT
from api.http.error_detail import ErrorDetail
from api.http.problems import Problem
from api.http.unknown_parameter import unknown_parameter
from api.ingest.ack import Ack

T = TypeVar("T")

MAX_ERRORS = 20


@dataclass(frozen=True, slots=True)
class PostOptions:
    """What a producer asks for.

    `ack`: the level to wait for. `atomic`: accept all items or none. `dry_run`: validate only.
    `is_import`: the events are of the past, and come with their time.
    """

    ack: Ack = "queued"
    atomic: bool = False
    dry_run: bool = False
    is_import: bool = False


def _one_of(choices: Mapping[str, T]) -> Callable[[str], T]:
    def parse(text: str) -> T:
        if text not in choices:
            raise ValueError(f"must be {' or '.join(choices)}")
        return choices[text]

    return parse


_ACKS: dict[str, Ack] = {"queued": "queued", "stored": "stored"}
_SWITCH = {"true": True, "false": False}
OF_EVENT: dict[str, Callable[[str], Any]] = {"ack": _one_of(_ACKS)}
OF_BATCH = {
    **OF_EVENT,
    **dict.fromkeys(("atomic", "dry_run", IMPORT), _one_of(_SWITCH)),
}


def post_options(given: QueryParams, known: Mapping[str, Callable[[str], Any]]) -> PostOptions:
    """Parse the options; an empty value counts as absent. Raises Problem 422 with every error."""
    found: dict[str, Any] = {}
    errors = []
    for name in given:
        texts = {text for text in given.getlist(name) if text.strip()}
        if name not in known:
            errors.append(_unknown(name, known))
        elif len(texts) > 1:
            errors.append(
                ErrorDetail("is given more than once, with different values", parameter=name)
            )
        for text in texts if name in known else ():
            try:
                found[name] = known[name](text)
            except ValueError as error:
                errors.append(ErrorDetail(str(error), parameter=name))
    if errors:
        raise Problem(422, "The parameters are not valid.", errors[:MAX_ERRORS])
    is_import = found.pop(IMPORT, False)
    return PostOptions(**found, is_import=is_import)


def _unknown(name: str, known: Mapping[str, Any]) -> ErrorDetail:
    return ErrorDetail(unknown_parameter(name, known), parameter=name[:60])
