"""Interpret the response to a batch. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from activity_client.backoff import retry_after

ProblemDocument = Mapping[str, Any]
"""The reason for a rejection: an `application/problem+json` object (RFC 9457).

If a request was refused as a whole, `request_id` is its id in the log of the service.
"""

_RETRY_STATUSES = frozenset({408, 409, 425, 429})
_NOT_IMPLEMENTED = 501  # not an Activity Service; a retry does not change that
_TOO_LARGE = 413
_UNPROCESSABLE = 422
_KEY_HEADER = "Idempotency-Key"
_PLACES = frozenset({"index", "line"})
_SHOWN_CHARACTERS = 200
_is_id = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch


class Verdict(NamedTuple):
    """The outcome of one event: accepted with an id and a time, or rejected with a problem.

    `duplicate`: of an import: the event was accepted before.
    """

    id: str | None = None
    created_at: str | None = None
    problem: ProblemDocument | None = None
    duplicate: bool = False


class Done(NamedTuple):
    """The final outcome: a verdict for each event, in order."""

    verdicts: list[Verdict]


class Retry(NamedTuple):
    """No outcome yet: retry after at least `seconds`.

    `untaken`: the service certainly took nothing of this request.
    """

    reason: str
    seconds: float = 0.0
    untaken: bool = False


class Refused(NamedTuple):
    """The request was refused, not its events: wrong URL, missing permission, another server.

    The events may be valid. `untaken`: the service took none of them. `key_reused`: the service
    has seen another body under the same Idempotency-Key.
    """

    reason: str
    seconds: float = 0.0
    untaken: bool = True
    key_reused: bool = False


class Split(NamedTuple):
    """The whole batch was rejected because it is too large; no event was accepted."""

    problem: ProblemDocument


class Reply(NamedTuple):
    """The parts of an HTTP response that matter here."""

    status: int
    retry_after: str | None
    body: bytes
    location: str | None = None


Answer = Done | Retry | Refused | Split


def read(reply: Reply, events: int) -> Answer:
    """Return what the reply to a batch of this many events means."""
    if (
        reply.status >= 500 and reply.status != _NOT_IMPLEMENTED
    ) or reply.status in _RETRY_STATUSES:
        return Retry(_refusal(reply), retry_after(reply.retry_after))
    if reply.status == _TOO_LARGE:
        return Split(_problem(reply))
    verdicts = _verdicts(reply.body, events)
    if verdicts is not None:
        return Done(verdicts)
    if reply.status == _UNPROCESSABLE and _blames_key(reply):
        return Refused(_refusal(reply), untaken=False, key_reused=True)
    untaken = reply.status >= 300  # else a proxy may have changed a success
    return Refused(_refusal(reply), retry_after(reply.retry_after), untaken)


def problem_text(problem: ProblemDocument) -> str:
    """Return a problem as one line of text, with the id of the request if it has one."""
    request = problem.get("request_id")
    shown = f" (request {request})" if isinstance(request, str) and _is_id(request) else ""
    return f"{_problem_itself(problem)}{shown}"


def _problem_itself(problem: ProblemDocument) -> str:
    faults = problem.get("errors")
    if isinstance(faults, list) and faults:
        return "; ".join(_fault_text(fault) for fault in faults)
    return str(problem.get("detail") or problem.get("title") or problem.get("status") or problem)


def _fault_text(fault: Any) -> str:
    if not isinstance(fault, dict):
        return str(fault)
    place = fault.get("pointer") or fault.get("header") or fault.get("parameter")
    detail = fault.get("detail", "is invalid")
    return f"{place} {detail}" if place else str(detail)


def _verdicts(body: bytes, events: int) -> list[Verdict] | None:
    answer = _object(body)
    results = answer.get("results") if answer else None
    if not isinstance(results, list) or len(results) != events:
        return None
    if not all(isinstance(result, dict) for result in results):
        return None
    return [_verdict(result) for result in results]


def _verdict(result: dict[str, Any]) -> Verdict:
    if "error" not in result:
        duplicate = result.get("duplicate") is True
        return Verdict(result.get("id"), result.get("created_at"), duplicate=duplicate)
    problem = result["error"]
    if not isinstance(problem, dict):
        return Verdict(problem={"detail": str(problem)})
    # The position in the batch means nothing to the sender of an event.
    return Verdict(problem={k: v for k, v in problem.items() if k not in _PLACES})


def _problem(reply: Reply) -> ProblemDocument:
    """Return the reply's problem, or build one from its status and body."""
    return _object(reply.body) or {"status": reply.status, "detail": _refusal(reply)}


def _refusal(reply: Reply) -> str:
    problem = _object(reply.body)
    said = problem_text(problem) if problem else _shown(reply.body)
    where = f" (go to {reply.location})" if reply.location else ""
    return f"answer {reply.status}{where}: {said}" if said else f"answer {reply.status}{where}"


def _blames_key(reply: Reply) -> bool:
    """Tell whether the reply blames the key; ours are valid, so it was used before."""
    problem = _object(reply.body) or {}
    faults = problem.get("errors")
    named = [fault.get("header") for fault in faults or () if isinstance(fault, dict)]
    return named == [_KEY_HEADER]


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _shown(body: bytes) -> str:
    """Return the beginning of a body as one line of text."""
    return " ".join(body[:_SHOWN_CHARACTERS].decode("utf-8", "replace").split())
