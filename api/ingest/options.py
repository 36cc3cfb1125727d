"""The query string of a POST: what the producer wants beyond the events being accepted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.datastructures import QueryParams

from api.http.error_detail import ErrorDetail
from api.http.problems import Problem
from api.http.unknown_parameter import unknown_parameter
from api.ingest.ack import Ack

T = TypeVar("T")

MAX_ERRORS = 20


@dataclass(frozen=True, slots=True)
class PostOptions:
    """`ack`: the level to wait for. `atomic`: all or none. `dry_run`: say only what would be."""

    ack: Ack = "queued"
    atomic: bool = False
    dry_run: bool = False


def _one_of(choices: Mapping[str, T]) -> Callable[[str], T]:
    def parse(text: str) -> T:
        if text not in choices:
            raise ValueError(f"must be {' or '.join(choices)}")
        return choices[text]

    return parse


_ACKS: dict[str, Ack] = {"queued": "queued", "stored": "stored"}
_SWITCH = {"true": True, "false": False}
OF_EVENT: dict[str, Callable[[str], Any]] = {"ack": _one_of(_ACKS)}
OF_BATCH = {**OF_EVENT, "atomic": _one_of(_SWITCH), "dry_run": _one_of(_SWITCH)}


def post_options(given: QueryParams, known: Mapping[str, Callable[[str], Any]]) -> PostOptions:
    """The options; an empty value is as if it were not given. Raises Problem 422, every fault."""
    found: dict[str, Any] = {}
    faults = []
    for name in given:
        texts = {text for text in given.getlist(name) if text.strip()}
        if name not in known:
            faults.append(_unknown(name, known))
        elif len(texts) > 1:
            faults.append(
                ErrorDetail("is given more than once, with different values", parameter=name)
            )
        for text in texts if name in known else ():
            try:
                found[name] = known[name](text)
            except ValueError as error:
                faults.append(ErrorDetail(str(error), parameter=name))
    if faults:
        raise Problem(422, "The parameters can't be understood.", faults[:MAX_ERRORS])
    return PostOptions(**found)


def _unknown(name: str, known: Mapping[str, Any]) -> ErrorDetail:
    return ErrorDetail(unknown_parameter(name, known), parameter=name[:60])
