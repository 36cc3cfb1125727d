"""The fast lane: a plainly good `POST /events` is answered here, everything else goes on.

FastAPI's routing and models cost more than accepting itself. What is unusual, wrong or refused
falls through to the FastAPI route of the same path, which says precisely what is the matter.
"""

import logging

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.body_reader import BodyLimits, lingering, read_body
from api.cloudevents_binary import MARKS
from api.event_body import parse
from api.ingest import Ingest, location
from api.problems import MISTAKE, Problem, of_storage
from api.respond import send_problem
from storage.errors import StorageError

log = logging.getLogger(__name__)

_JSON = (b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8")

# Headers that ask for something of their own.
_UNUSUAL = MARKS | {b"content-encoding", b"idempotency-key"}


class FastLane:
    """ASGI: answers a good event, hands on the rest."""

    def __init__(self, app: ASGIApp, ingest: Ingest, limits: BodyLimits) -> None:
        self._app = app
        self._ingest = ingest
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if not _is_plain_post(scope):
            await self._app(scope, receive, send)
            return
        try:
            body = await read_body(scope, receive, self._limits)
            answered = await self._posted(body, send)
        except Problem as problem:
            await send_problem(lingering(send, receive), problem)
        except StorageError as error:
            await send_problem(send, of_storage(error))
        except ClientDisconnect:
            return
        except Exception:
            log.exception("POST /events")
            await send_problem(send, MISTAKE)
        else:
            if not answered:
                await self._app(scope, _replay(body, receive), send)

    async def _posted(self, body: bytes, send: Send) -> bool:
        """Accept and answer a plainly good event; False for any other."""
        posted = parse(body)
        if posted is None:
            return False
        made = await self._ingest.accept(posted)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(made.body)).encode()),
            (b"location", location(made.id).encode()),
            (b"activity-ack", b"queued"),
        ]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": made.body})
        return True


def _is_plain_post(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != "/events":
        return False
    return not scope["query_string"] and _has_plain_headers(scope)


def _has_plain_headers(scope: Scope) -> bool:
    json = False
    for name, value in scope["headers"]:
        if name == b"content-type":
            json = value.lower() in _JSON
            if not json:
                return False
        elif name in _UNUSUAL:
            return False
    return json


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body again, then what comes after it."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
