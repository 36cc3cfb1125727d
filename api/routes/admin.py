"""The routes of administrators, for FastAPI and the OpenAPI document."""

import json
from typing import Any
from uuid import UUID

from fastapi import Request, Response

from api.admin import bodies
from api.admin.actor import actor_of
from api.admin.bodies import EraseBody, NewKeyBody, RevokeBody, RotateBody, Selection
from api.admin.params import Params
from api.admin.service import Admin
from api.http.problem_response import json_answer
from api.http.problems import Problem
from api.query.id_params import is_uuid
from api.query.known_params import require_known
from api.routes import openapi_admin as document
from api.routes.path_ids import ErasureId, EventId, KeyId
from api.routes.protected_route import protected_router, still_valid
from api.services import services_of

router = protected_router(tags=["admin"])

_NOT_KEPT = {"cache-control": "no-store"}


@router.get("/admin/dead-letters", **document.LIST_LETTERS)
async def list_dead_letters(request: Request) -> Response:
    """List dead letters, the newest event first, a page at a time."""
    asked = Params(request.scope["query_string"], ("limit", "after", "reason"))
    limit, after = asked.limit(document.LETTERS, document.MAX_LETTERS), asked.event_id("after")
    reason = asked.text("reason", document.MAX_REASON)
    asked.end()
    return _answer(await _admin(request).dead_letters.page(limit, after, reason))


@router.get("/admin/dead-letters/{event_id}", **document.GET_LETTER)
async def get_dead_letter(request: Request, event_id: EventId) -> Response:
    """Show a dead letter and the original bytes of its event."""
    require_known(request.scope["query_string"], [])
    if not is_uuid(event_id):
        raise Problem(404, f"{event_id[:40]!r} is not a valid event ID (expected a UUID).")
    return _answer(await _admin(request).dead_letters.original(UUID(event_id)))


@router.post("/admin/dead-letters/replay", **document.REPLAY)
async def replay_dead_letters(request: Request) -> Response:
    """Store the events of these dead letters after all, each once, and say what became of each."""
    chosen, actor = await _selection(request)
    results = await _admin(request).dead_letters.replay(chosen, actor)
    return _answer({"results": results})


@router.post("/admin/dead-letters/discard", **document.DISCARD)
async def discard_dead_letters(request: Request) -> Response:
    """Delete these dead letters for good, and say what became of each."""
    chosen, actor = await _selection(request)
    results = await _admin(request).dead_letters.discard(chosen, actor)
    return _answer({"results": results})


@router.get("/admin/keys", **document.LIST_KEYS)
async def list_keys(request: Request) -> Response:
    """List API keys by name, without their tokens."""
    asked = Params(request.scope["query_string"], ("limit", "after", "all"))
    limit, after = asked.limit(document.KEYS, document.MAX_KEYS), asked.text("after", 20)
    with_ended = asked.switch("all")
    asked.end()
    return _answer(await _admin(request).keys.page(limit, after, with_ended))


@router.post("/admin/keys", **document.CREATE_KEY)
async def create_key(request: Request) -> Response:
    """Make an API key. This answer has its token, which is kept nowhere."""
    body = await _body(request, NewKeyBody)
    return _answer(await _admin(request).keys.create(body, _actor(request)), 201)


@router.post("/admin/keys/{key_id}/rotate", **document.ROTATE_KEY)
async def rotate_key(request: Request, key_id: KeyId) -> Response:
    """Make a key with the same grants, and revoke the old one after an overlap."""
    body = await _body(request, RotateBody)
    return _answer(await _admin(request).keys.rotate(key_id, body, _actor(request)), 201)


@router.post("/admin/keys/{key_id}/revoke", **document.REVOKE_KEY)
async def revoke_key(request: Request, key_id: KeyId) -> Response:
    """End a key for good, now or later."""
    body = await _body(request, RevokeBody)
    return _answer(await _admin(request).keys.revoke(key_id, body, _actor(request)))


@router.get("/admin/audit", **document.LIST_ACTS)
async def list_acts(request: Request) -> Response:
    """List the acts of administrators, the newest first, a page at a time."""
    asked = Params(request.scope["query_string"], ("limit", "before"))
    limit, before = asked.limit(document.ACTS, document.MAX_ACTS), asked.place("before")
    asked.end()
    return _answer(await _admin(request).keys.acts(limit, before))


@router.get("/admin/erasures", **document.LIST_ERASURES)
async def list_erasures(request: Request) -> Response:
    """List the latest erasures of persons, the latest first, and how far they are."""
    asked = Params(request.scope["query_string"], ("limit",))
    limit = asked.limit(document.ERASURES, document.MAX_ERASURES)
    asked.end()
    return _answer(await _admin(request).erasures.newest(limit))


@router.get("/admin/erasures/{erasure_id}", **document.GET_ERASURE)
async def get_erasure(request: Request, erasure_id: ErasureId) -> Response:
    """Tell how far an erasure is."""
    require_known(request.scope["query_string"], [])
    if not is_uuid(erasure_id):
        raise Problem(404, f"{erasure_id[:40]!r} is not the ID of an erasure (expected a UUID).")
    return _answer(await _admin(request).erasures.find(UUID(erasure_id)))


@router.post("/admin/erasures", **document.ERASE)
async def erase_person(request: Request) -> Response:
    """Begin to erase a person from everything that was created before now."""
    body = await _body(request, EraseBody)
    return _answer(await _admin(request).erasures.begin(body, _actor(request)), 202)


async def _selection(request: Request) -> tuple[list[UUID], str]:
    """Return the dead letters that are chosen, and who acts."""
    return (await _body(request, Selection)).chosen, _actor(request)


async def _body(request: Request, form: type[bodies.M]) -> bodies.M:
    require_known(request.scope["query_string"], [])
    return await bodies.read(request, form, services_of(request).memory_budget)


def _actor(request: Request) -> str:
    """Return who acts. Raises Problem 401 if the key has ended while the request was read."""
    return actor_of(still_valid(request))


def _admin(request: Request) -> Admin:
    return services_of(request).admin


def _answer(found: dict[str, Any], status: int = 200) -> Response:
    body = json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
    return json_answer(body, status, _NOT_KEPT)
