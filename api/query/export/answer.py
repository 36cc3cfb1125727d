"""The answer of an export: a stream that ends in order only once it is whole."""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.auth.principal import Principal
from api.http.headers import Headers
from api.http.long_answer import break_off, end_with
from api.query.export.csv_rows import MEDIA_TYPE as CSV
from api.query.export.params import ExportQuestion
from api.query.export.service import Exports, Part, RunningExport
from api.query.export.writer import pieces
from storage.errors import StorageError
from storage.metrics.instruments import exports as counted
from storage.model.event import time_text, to_ms

log = logging.getLogger(__name__)

NDJSON = "application/x-ndjson"
NOW = "Activity-Now"

_WHY = {"stopped": "the service stops", "revoked": "the key of its client has ended"}
_LOOK_SECONDS = 0.5  # between two looks at the client's key

Ending = Literal["client_gone", "stopped", "revoked"]


class ExportAnswer(Response):
    """Streams an export in pieces. Nothing of it is read for HEAD.

    If it fails before the first byte, it raises Problem or StorageError. Later the answer breaks
    off: so too when the client's key ends, and when the server stops.
    """

    def __init__(
        self,
        exports: Exports,
        question: ExportQuestion,
        principal: Principal,
        is_gzip: bool,
        is_head: bool,
    ) -> None:
        super().__init__()
        self._exports = exports
        self._question = question
        self._principal = principal
        self._is_gzip = is_gzip
        self._is_head = is_head
        self.raw_headers = list(_headers(question, is_gzip))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and return once no query of it runs any more."""
        if self._is_head:
            await self._start(send)
            await send({"type": "http.response.body"})
            return
        with self._exports.place():
            export = self._exports.open(self._question, self._is_gzip)
            stopping = asyncio.Event()
            await send(end_with(stopping))
            answering = asyncio.create_task(self._answer(export, send))
            ending = asyncio.create_task(_ending(receive, stopping, self._principal))
            try:
                await asyncio.wait([answering, ending], return_when=asyncio.FIRST_COMPLETED)
            finally:
                await _end([answering, ending])
                await export.cancel()
            await _conclude(answering, ending, send)

    async def _start(self, send: Send) -> None:
        headers = self.raw_headers
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _answer(self, export: RunningExport, send: Send) -> None:
        part = await export.begin()
        await self._start(send)
        try:
            await _send_part(part, send)
            while not part.is_last:
                part = await export.next()
                await _send_part(part, send)
        except StorageError as error:
            raise _BrokenOff from error


class _BrokenOff(Exception):
    """The export failed when a part of it was sent."""


async def _send_part(part: Part, send: Send) -> None:
    for piece in pieces(part.body):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    if part.is_last:
        await send({"type": "http.response.body"})


async def _ending(receive: Receive, stopping: asyncio.Event, principal: Principal) -> Ending:
    """Return why the export must end before its time, once it must."""
    leaving = asyncio.create_task(_until_left(receive))
    stop = asyncio.create_task(stopping.wait())
    try:
        while True:
            await asyncio.wait(
                [leaving, stop], timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            if leaving.done():
                return "client_gone"
            if stop.done():
                return "stopped"
            if time.time() >= principal.ends_at:
                return "revoked"
    finally:
        await _end([leaving, stop])


async def _until_left(receive: Receive) -> None:
    """Return when the client has closed its connection, or its side of it.

    The latter is all that can be told of a client that has ended while a query runs.
    """
    is_read = False
    while (message := await receive())["type"] != "http.disconnect":
        if is_read:
            return
        is_read = not message.get("more_body")


async def _conclude(
    answering: "asyncio.Task[None]", ending: "asyncio.Task[Ending]", send: Send
) -> None:
    """Count how it ended, and break off what is not whole. Raises what came before any byte."""
    if not answering.cancelled():
        error = answering.exception()
        counted["complete" if error is None else "failed"].add()
        if isinstance(error, _BrokenOff):
            log.warning("an export breaks off: %s", error.__cause__)
            await send(break_off())
        elif error is not None:
            raise error
        return
    reason = ending.result()
    counted[reason].add()
    if reason != "client_gone":
        log.warning("an export breaks off: %s", _WHY[reason])
    await send(break_off())


async def _end(tasks: Sequence["asyncio.Task[object]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _headers(question: ExportQuestion, is_gzip: bool) -> Headers:
    name = f"events-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{question.format}"
    now = time_text(to_ms(question.now.told))
    coding = [(b"content-encoding", b"gzip")] if is_gzip else []
    return [
        (b"content-type", _media_type(question).encode()),
        (b"content-disposition", f'attachment; filename="{name}"'.encode()),
        *coding,
        (b"vary", b"accept, accept-encoding"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),  # a proxy that stores it would hide how slow the client is
        (NOW.lower().encode(), now.encode()),
    ]


def _media_type(question: ExportQuestion) -> str:
    if question.format == "ndjson":
        return NDJSON
    header = "absent" if question.filters.cursor else "present"
    return f"{CSV}; charset=utf-8; header={header}"
