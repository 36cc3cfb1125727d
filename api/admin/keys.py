"""API keys and the audit log for administrators, over both homes."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from api.admin.bodies import NewKeyBody, RevokeBody, RotateBody, future
from api.admin.params import place_text
from api.admin.threads import AdminThreads
from api.formats.validation_problem import validation_problem
from api.http.error_detail import ErrorDetail
from api.http.problems import Problem
from storage.access import key_acts
from storage.access.api_key import ApiKey
from storage.access.audit import AuditLine, Place, merged_lines
from storage.access.grants import Grants, UselessLimit, grants
from storage.access.homes import KeyHomes, require_room
from storage.access.key_acts import Act, KeyHasEnded
from storage.access.key_records import KeyRecords, holder_of_name
from storage.access.key_view import document
from storage.errors import StorageError
from storage.failures import reason
from storage.postgres.instants import FIRST

Document = dict[str, Any]


class KeyAdmin:
    """What administrators do with keys. Every call raises NoHome if no home answers."""

    def __init__(self, threads: AdminThreads, homes: KeyHomes) -> None:
        self._threads = threads
        self._homes = homes

    async def page(self, limit: int, after: str | None, with_ended: bool) -> Document:
        """Return the keys by name; `after`: those that follow this key in the list."""
        now = datetime.now(UTC)
        records, failures = await self._threads.run(self._load)
        every = sorted(records.keys.values(), key=lambda key: (key.name, key.created_at, key.id))
        start = 0
        if after is not None:
            places = [place for place, key in enumerate(every) if key.id == after]
            if not places:
                raise Problem(
                    422, "The request is not valid.", [ErrorDetail("is no key", parameter="after")]
                )
            start = places[0] + 1
        keys = [key for key in every[start:] if with_ended or key.is_valid_at(now)]
        more = len(keys) > limit
        return {
            "keys": [document(key, now) for key in keys[:limit]],
            "next_after": keys[limit - 1].id if more else None,
            "unreadable": sorted(records.unreadable),
            "failures": failures,
        }

    async def create(self, body: NewKeyBody, actor: str) -> Document:
        """Make a key, and return it with its token, which is kept nowhere. Raises Problem 422."""
        now = datetime.now(UTC)
        allowed, expires_at = _grants(body), future(body.expires_at, now)

        def work() -> Document:
            records, _ = self._load()
            if holder := holder_of_name(records, body.name, now):
                told = f"there is a key with this name already ({holder.id})"
                raise validation_problem([ErrorDetail(told, pointer="/name")])
            require_room(records)
            made = key_acts.create(body.name, allowed, expires_at, now, actor)
            return {**self._put(made.act, now), "token": made.token}

        return await self._threads.run(work)

    async def rotate(self, key_id: str, body: RotateBody, actor: str) -> Document:
        """Make a key in the place of another one. Raises Problem 404, 422."""
        now = datetime.now(UTC)
        expires_at = future(body.expires_at, now)

        def work() -> Document:
            records, _ = self._load()
            old = _find(records, key_id)
            require_room(records)
            try:
                made = key_acts.rotate(old, body.overlap, expires_at, now, actor)
            except KeyHasEnded:
                raise Problem(422, "The key has ended, so it can't be rotated: make one.") from None
            shown = self._put(made.act, now)
            return {**shown, "token": made.token, "old": document(made.act.keys[1], now)}

        return await self._threads.run(work)

    async def revoke(self, key_id: str, body: RevokeBody, actor: str) -> Document:
        """End a key for good, now or later. Raises Problem 404."""
        now = datetime.now(UTC)

        def work() -> Document:
            records, failures = self._load()
            key = _find(records, key_id)
            act = key_acts.revoke(key, now + body.delay, now, actor)
            if act is None:
                return {"key": document(key, now), "changed": False, "failures": failures}
            return {**self._put(act, now), "changed": True}

        return await self._threads.run(work)

    async def acts(self, limit: int, before: Place | None) -> Document:
        """Return the newest lines of the audit log; `before`: those before this place."""
        found = await self._threads.run(lambda: self._homes.audit_lines(FIRST, limit + 1, before))
        lines = merged_lines(found.answers.values(), limit + 1, before)
        shown = lines[:limit]
        return {
            "acts": [_line(line) for line in shown],
            "next_before": place_text(shown[-1].place) if len(lines) > limit else None,
            "failures": _reasons(found.failures),
        }

    def _load(self) -> tuple[KeyRecords, dict[str, str]]:
        loaded = self._homes.load()
        records = KeyRecords()
        for found in loaded.answers.values():
            records = records.merge(found)
        return records, _reasons(loaded.failures)

    def _put(self, act: Act, now: datetime) -> Document:
        """Write the act into both homes, and return the key that it has made or changed."""
        answers = self._homes.put(act.keys, act.line)
        return {"key": document(act.keys[0], now), "failures": _reasons(answers.failures)}


def _grants(body: NewKeyBody) -> Grants:
    try:
        return grants(
            body.scopes,
            body.components,
            body.environments,
            body.origins,
            body.events_per_second,
            body.events_per_day,
        )
    except UselessLimit as error:
        raise validation_problem([ErrorDetail(str(error), pointer=f"/{error.field}")]) from None


def _find(records: KeyRecords, key_id: str) -> ApiKey:
    key = records.keys.get(key_id)
    if key is None or key_id in records.unreadable:
        raise Problem(404, "No key has this ID, or its record can't be read.")
    return key


def _line(line: AuditLine) -> Document:
    return {**asdict(line), "id": str(line.id), "at": line.at.isoformat()}


def _reasons(failures: Mapping[str, StorageError]) -> dict[str, str]:
    """Return which homes have failed, and why, each in one line."""
    return {home: reason(error) for home, error in failures.items()}
