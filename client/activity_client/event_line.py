"""From an event's parts to its line of NDJSON. Pure."""

import json

from activity_client.errors import BadEvent, NotJson, TooLarge

EVENT_BYTES = 256 * 1024

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def event_line(
    component: str | None,
    environment: str | None,
    message: str,
    email: str | None = None,
    data: object = None,
) -> bytes:
    """The event's JSON in UTF-8, without a line feed in it.

    Raises BadEvent for what the service would refuse and is cheap to see: a text that is none or
    blank, NotJson, TooLarge. All else is for the service to judge.
    """
    for name, text in (("component", component), ("environment", environment)):
        _check_text(name, text)
    _check_text("message", message)
    event: dict[str, object] = {
        "component": component,
        "environment": environment,
        "message": message,
    }
    if email is not None:
        event["email"] = email
    if data is not None:
        event["data"] = data
    return _checked(_utf8(event))


def _check_text(name: str, text: object) -> None:
    if not isinstance(text, str):
        raise BadEvent(f"{name} must be a text, not {type(text).__name__}")
    if not text.strip():
        raise BadEvent(f"{name} is blank")


def _utf8(event: dict[str, object]) -> bytes:
    try:
        return _encode(event).encode()
    except UnicodeEncodeError:
        raise NotJson("the event contains half of a surrogate pair") from None
    except (TypeError, ValueError) as error:
        raise NotJson(f"the event can't be written as JSON: {error}") from error
    except RecursionError:
        raise NotJson("the event is nested too deep for JSON") from None


def _checked(line: bytes) -> bytes:
    if len(line) > EVENT_BYTES:
        raise TooLarge(f"the event has {len(line)} bytes; at most {EVENT_BYTES} are taken")
    return line
