"""What an answer of the service means for the batch it was given to. Pure."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from activity_client.backoff import retry_after

ProblemDocument = Mapping[str, Any]
"""Why an event was rejected: an `application/problem+json` object (RFC 9457)."""

_RETRY_STATUSES = frozenset({408, 409, 425, 429})
_NOT_IMPLEMENTED = 501  # no service of ours, and it won't become one
_TOO_LARGE = 413
_UNPROCESSABLE = 422
_KEY_HEADER = "Idempotency-Key"
_PLACES = frozenset({"index", "line"})
_SHOWN_CHARACTERS = 200


class Verdict(NamedTuple):
    """What became of one event: accepted with an id and a time, or rejected with a problem."""

    id: str | None = None
    created_at: str | None = None
    problem: ProblemDocument | None = None


class Done(NamedTuple):
    """Definite: a verdict for each event, in order."""

    verdicts: list[Verdict]


class Retry(NamedTuple):
    """Not decided. To be tried again, not before `seconds` have passed.

    `untaken`: the request certainly did not arrive.
    """

    reason: str
    seconds: float = 0.0
    untaken: bool = False


class Refused(NamedTuple):
    """The request was answered in a way that says nothing about the events in it: a wrong address,
    no right, something that is not the service. They may be good. `untaken`: not one was taken.
    `key_reused`: the service has taken another body under the same Idempotency-Key."""

    reason: str
    seconds: float = 0.0
    untaken: bool = True
    key_reused: bool = False


class Split(NamedTuple):
    """Refused as a whole for its size: nothing of it was accepted."""

    problem: ProblemDocument


class Reply(NamedTuple):
    """What came over HTTP."""

    status: int
    retry_after: str | None
    body: bytes
    location: str | None = None


Answer = Done | Retry | Refused | Split


def read(reply: Reply, events: int) -> Answer:
    """What the reply to a batch of that many events means."""
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
    untaken = reply.status >= 300  # else somebody between us and the service may have garbled it
    return Refused(_refusal(reply), retry_after(reply.retry_after), untaken)


def problem_text(problem: ProblemDocument) -> str:
    """A problem in one line."""
    faults = problem.get("errors")
    if isinstance(faults, list) and faults:
        return "; ".join(_fault_text(fault) for fault in faults)
    return str(problem.get("detail") or problem.get("title") or problem.get("status") or problem)


def _fault_text(fault: Any) -> str:
    if not isinstance(fault, dict):
        return str(fault)
    place = fault.get("pointer") or fault.get("header") or fault.get("parameter")
    detail = fault.get("detail", "is wrong")
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
        return Verdict(result.get("id"), result.get("created_at"))
    problem = result["error"]
    if not isinstance(problem, dict):
        return Verdict(problem={"detail": str(problem)})
    # Its place within the batch says nothing to those who sent an event.
    return Verdict(problem={k: v for k, v in problem.items() if k not in _PLACES})


def _problem(reply: Reply) -> ProblemDocument:
    """The reply's own problem, or one made up for a server that says nothing of the kind."""
    return _object(reply.body) or {"status": reply.status, "detail": _refusal(reply)}


def _refusal(reply: Reply) -> str:
    problem = _object(reply.body)
    said = problem_text(problem) if problem else _shown(reply.body)
    where = f" (go to {reply.location})" if reply.location else ""
    return f"answer {reply.status}{where}: {said}" if said else f"answer {reply.status}{where}"


def _blames_key(reply: Reply) -> bool:
    """Our keys are well-formed, so that only their use before can be wrong with them."""
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
    """The beginning, in one line."""
    return " ".join(body[:_SHOWN_CHARACTERS].decode("utf-8", "replace").split())
