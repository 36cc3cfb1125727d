"""Send one event from options."""

import json
import sys
import uuid

from activity_client.answers import Verdict
from activity_client.batch import Batch
from activity_client.errors import BadEvent
from activity_client.event_line import event_line
from activity_client.transport import Transport, trust
from cli.connection_hints import waiting_for
from cli.errors import UsageError
from cli.send.retry_deadline import RetryDeadline, stop_refused
from cli.send.run import MAX_PAUSE, SendOptions


def line_of(
    component: str,
    environment: str,
    message: str,
    email: str | None,
    data: str | None,
    occurred_at: str | None = None,
) -> bytes:
    """Return the event as a line. Raises UsageError.

    `data` is JSON and keeps every digit. `occurred_at` is what the service will check.
    """
    try:
        line = event_line(component, environment, message, email)
    except BadEvent as error:
        raise UsageError(str(error)) from None
    more = b"" if data is None else b',"data":' + _one_line(data)
    if occurred_at is not None:
        more += b',"occurred_at":' + json.dumps(occurred_at).encode()
    return line[:-1] + more + b"}"


def send_one(send_options: SendOptions, line: bytes) -> Verdict:
    """Send the line and return the verdict. Raises BadUrl, BadCaFile, GaveUp, RequestRefused."""
    deadline = RetryDeadline(send_options.give_up)

    def pause(seconds: float, reason: str) -> None:
        if deadline.last_error is None:
            where = waiting_for(send_options.url, reason)
            print(f"waiting for the service: {reason}; {where}", file=sys.stderr, flush=True)
        deadline.pause(seconds, reason)

    transport = Transport(
        send_options.url,
        max_pause=MAX_PAUSE,
        credentials=send_options.credentials,
        trusted=trust(send_options.ca),
    )
    try:
        return transport.deliver(Batch(uuid.uuid4().hex, [line]), pause, stop_refused)[0]
    finally:
        transport.close()


def as_json(verdict: Verdict) -> str:
    """Return the ID and time of an accepted event."""
    return json.dumps({"id": verdict.id, "created_at": verdict.created_at})


def _one_line(data: str) -> bytes:
    try:
        json.loads(data, parse_int=str)  # as text: int has a limit of digits
        # A JSON token contains no line end, so a line end can become a blank.
        return data.replace("\r", " ").replace("\n", " ").encode()
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--data is not JSON: {error}") from None
