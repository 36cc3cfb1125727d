"""What a refusal of the service means for the command, and its text. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any

from activity_client.answers import problem_text
from cli.display_width import escaped, escaped_lines
from cli.errors import BadQuestion, CannotFollow, CliError, ReadRefused, UnknownEvent

_MAX_SHOWN = 200
_NEEDS_KEY = (
    "an API key with the scope `read` must be in ACTIVITY_KEY, or in the file that "
    "ACTIVITY_KEY_FILE names"
)

_name_option = re.compile(r"\binterval=(\w+) fits").sub


def refusal(url: str, status: int, body: bytes) -> CliError:
    """Return the error for an answer that a retry would not change."""
    said = told(status, body)
    match status:
        case 400 | 414 | 422 if (found := _problem(body)) is not None:
            return BadQuestion(question_text(found))
        case 401 | 403:
            return ReadRefused(f"{url}: {said}; {_NEEDS_KEY}")
        case 404 if (found := _problem(body)) is not None:
            return UnknownEvent(escaped(problem_text(found)))
        case 410:
            return CannotFollow(said)
    return ReadRefused(f"{url}: {said}; is it an Activity Service of this version?")


def told(status: int, body: bytes) -> str:
    """Return the status and what the service said, in one line."""
    found = _problem(body)
    shown = problem_text(found) if found else body[:_MAX_SHOWN].decode("utf-8", "replace").strip()
    return f"answer {status}: {escaped(shown)}" if shown else f"answer {status}"


def question_text(problem: Mapping[str, Any]) -> str:
    """Return each fault of a question; one in `q` with its line and a caret under the place."""
    faults = problem.get("errors")
    if not isinstance(faults, list) or not faults:
        return escaped(problem_text(problem))
    return "\n".join(_fault(fault) for fault in faults if isinstance(fault, dict))


def _fault(fault: Mapping[str, Any]) -> str:
    parameter, detail = fault.get("parameter"), escaped(str(fault.get("detail", "is invalid")))
    detail = _name_option(r"--interval \1 fits", detail)
    excerpt = fault.get("excerpt")
    if isinstance(excerpt, str):  # then the detail begins with the place in `q`
        lines = escaped_lines(excerpt).split("\n")
        return "\n".join([detail, *(f"  {line}" for line in lines)])
    named = isinstance(parameter, str) and not detail.startswith(escaped(parameter))
    return f"{escaped(str(parameter))} {detail}" if named else detail


def _problem(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
