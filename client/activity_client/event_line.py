"""Serialize an event to a line of NDJSON. Pure."""

import json
from datetime import datetime, timezone

from activity_client.errors import BadEvent, NotJson, TooLarge

EVENT_BYTES = 256 * 1024

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def event_line(
    component: str | None,
    environment: str | None,
    message: str,
    email: str | None = None,
    data: object = None,
    occurred_at: datetime | None = None,
) -> bytes:
    """Return the JSON of an event in UTF-8, without a line feed.

    Check only what is cheap to check; the service validates the rest.

    Raises:
        BadEvent: A required field is not a string, or is blank; `occurred_at` has no time zone.
        NotJson: The event is not JSON serializable.
        TooLarge: The JSON exceeds EVENT_BYTES.
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
    if occurred_at is not None:
        event["occurred_at"] = _instant(occurred_at)
    return _checked(_utf8(event))


def _check_text(name: str, text: object) -> None:
    if not isinstance(text, str):
        raise BadEvent(f"{name} must be a string, not {type(text).__name__}")
    if not text.strip():
        raise BadEvent(f"{name} is blank")


def _instant(occurred_at: object) -> str:
    if not isinstance(occurred_at, datetime):
        raise BadEvent(f"occurred_at must be a datetime, not {type(occurred_at).__name__}")
    if occurred_at.utcoffset() is None:
        raise BadEvent("occurred_at has no time zone, as datetime.now(timezone.utc) has one")
    try:
        return occurred_at.astimezone(timezone.utc).isoformat()
    except OverflowError:
        raise BadEvent("occurred_at is not from the years 1 to 9999 in UTC") from None


def _utf8(event: dict[str, object]) -> bytes:
    try:
        return _encode(event).encode()
    except UnicodeEncodeError:
        raise NotJson("the event contains a lone surrogate") from None
    except (TypeError, ValueError) as error:
        raise NotJson(f"the event is not JSON serializable: {error}") from error
    except RecursionError:
        raise NotJson("the event is nested too deeply") from None


def _checked(line: bytes) -> bytes:
    if len(line) > EVENT_BYTES:
        raise TooLarge(f"the event has {len(line)} bytes; the limit is {EVENT_BYTES}")
    return line
