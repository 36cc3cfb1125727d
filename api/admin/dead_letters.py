"""Dead letters for administrators: lists, original bytes, replays and discards of a selection."""

import json
import logging
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from api.admin.threads import AdminThreads
from api.http.problems import Problem
from storage.dead_letters import DeadLetters, ListedLetter, Original
from storage.errors import StorageError
from storage.failures import log_failure

MAX_ORIGINAL_BYTES = 1 << 20
MAX_REPLAYED_BYTES = 16 << 20  # no event has more; another program's entry may
ACT_SECONDS = 20.0  # of one request; what is left then is not tried
_SHOWN_CHARACTERS = 200  # of a message in a list

_TOO_LARGE = "it has more than 16 MiB: only `activity dead-letters replay` tries that"

log = logging.getLogger(__name__)

Open = Callable[[str | None], DeadLetters]
"""Returns the dead letters for an actor."""

Act = Callable[[UUID], dict[str, Any]]


class DeadLetterAdmin:
    """What administrators do with dead letters. Every call raises DatabaseUnavailable."""

    def __init__(self, threads: AdminThreads, opened: Open) -> None:
        self._threads = threads
        self._open = opened

    async def page(
        self, limit: int, after: UUID | None = None, reason: str | None = None
    ) -> dict[str, Any]:
        """Return the newest ones; `after`: those that follow this one in the list."""
        letters = self._open(None)

        def work() -> dict[str, Any]:
            found = letters.page(limit + 1, after, reason)
            shown = found[:limit]
            more = len(found) > limit
            # Here and not in the event loop: their bytes are many, and may be anything.
            return {
                "dead_letters": [_listed(letter) for letter in shown],
                "next_after": str(shown[-1].id) if more else None,
            }

        return await self._threads.run(work)

    async def original(self, event_id: UUID) -> dict[str, Any]:
        """Return one with its original bytes. Raises Problem 404."""
        letters = self._open(None)

        def work() -> dict[str, Any] | None:
            found = letters.original(event_id, MAX_ORIGINAL_BYTES)
            return None if found is None else _shown(found)

        shown = await self._threads.run(work)
        if shown is None:
            raise Problem(
                404, "No dead letter has this ID: it was replayed or discarded, or never was one."
            )
        return shown

    async def replay(self, ids: Sequence[UUID], actor: str) -> list[dict[str, Any]]:
        """Store their events after all, and return what became of each."""
        letters = self._open(actor)

        def act(event_id: UUID) -> dict[str, Any]:
            found = letters.original(event_id, MAX_REPLAYED_BYTES)
            if found is None:
                return {"result": "not_found"}
            if found.size > MAX_REPLAYED_BYTES:
                return {"result": "refused", "reason": _TOO_LARGE}
            done = letters.store(found.letter)
            if done.result == "gone":
                return {"result": "not_found"}
            return {"result": done.result, **({"reason": done.reason} if done.reason else {})}

        return await self._threads.run(lambda: self._each(ids, letters, act))

    async def discard(self, ids: Sequence[UUID], actor: str) -> list[dict[str, Any]]:
        """Delete them for good, and return what became of each."""
        letters = self._open(actor)

        def act(event_id: UUID) -> dict[str, Any]:
            return {"result": "discarded" if letters.discard(event_id) else "not_found"}

        return await self._threads.run(lambda: self._each(ids, letters, act))

    async def end_abandoned_replay(self) -> None:
        """End what a killed process has begun: until then the pages of its tags are not cached."""
        with suppress(StorageError):
            await self._threads.run(self._open(None).end_abandoned_replay)

    def _each(self, ids: Sequence[UUID], letters: DeadLetters, act: Act) -> list[dict[str, Any]]:
        """Act on one after the other, until time is up or a server is away.

        Raises StorageError if a server is away from the start.
        """
        with suppress(StorageError):
            letters.end_abandoned_replay()
        end = time.monotonic() + ACT_SECONDS
        results: list[dict[str, Any]] = []
        why: str | None = None
        for event_id in ids:
            if why is None and (time.monotonic() > end or self._threads.stopping.is_set()):
                why = "there was no time left for it: ask again"
            if why is not None:
                results.append({"id": str(event_id), "result": "not_tried", "reason": why})
                continue
            try:
                results.append({"id": str(event_id), **act(event_id)})
            except Exception as error:
                if not results:
                    raise
                log_failure(log, logging.WARNING, "acts on dead letters ended early", error)
                why = "a server did not answer for one before it: ask again"
                unknown = "a server did not answer: it may have been done; look again"
                results.append({"id": str(event_id), "result": "unknown", "reason": unknown})
        return results


def _listed(letter: ListedLetter) -> dict[str, Any]:
    return {
        "id": str(letter.id),
        "created_at": letter.created_at.isoformat(),
        "refused_at": letter.refused_at.isoformat(),
        "reason": letter.reason,
        "size": letter.size,
        **_event_fields(letter.event),
    }


def _event_fields(raw: bytes | None) -> dict[str, str | None]:
    """Return what can be told of the event; null where its bytes do not say, or are too many."""
    try:
        event = json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        event = None
    told = event if isinstance(event, dict) else {}
    names = ("component", "environment", "message")
    return {name: _text(told.get(name)) for name in names}


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return value[:_SHOWN_CHARACTERS].encode(errors="backslashreplace").decode()


def _shown(found: Original) -> dict[str, Any]:
    letter = found.letter
    encoding, original = _encoded(letter.event, found.size)
    return {
        "id": str(letter.id),
        "created_at": letter.created_at.isoformat(),
        "refused_at": letter.refused_at.isoformat(),
        "reason": letter.reason,
        "size": found.size,
        "is_whole": len(letter.event) == found.size,
        "encoding": encoding,
        "original": original,
    }


def _encoded(raw: bytes, size: int) -> tuple[str, str]:
    """Return the bytes as text if they are UTF-8, else in base64; a last character may be cut."""
    cuts = (0,) if len(raw) == size else (0, 1, 2, 3)
    for cut in cuts:
        with suppress(UnicodeDecodeError):
            return "utf-8", raw[: len(raw) - cut].decode()
    return "base64", b64encode(raw).decode()
