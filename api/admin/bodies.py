"""The bodies that administrators send, and how they are read and refused."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from fastapi import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from api.formats.json_document import Path, pointer
from api.formats.schemas import Email
from api.formats.validation_problem import validation_problem
from api.http.error_detail import ErrorDetail
from api.http.media_type import media_type
from api.http.memory_budget import MemoryBudget
from api.http.problems import Problem
from api.http.request_body import BodyLimits, read_body
from api.query.id_params import is_uuid
from storage.access import grants
from storage.access.api_key import Scope
from storage.access.grants import MAX_DAILY, MAX_ITEMS, MAX_NAME, MAX_PATTERN, MAX_RATE
from storage.postgres.instants import is_storable

JSON = "application/json"
MAX_IDS = 1_000
MAX_OVERLAP_SECONDS = 366 * 86_400
_LIMITS = BodyLimits(64 * 1024, 10.0, "a request of an administrator")

M = TypeVar("M", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


def _uuid(text: str) -> str:
    if not is_uuid(text):
        raise ValueError("is not a UUID")
    return text


def _instant(text: str) -> str:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or not is_storable(instant):
        raise ValueError("is not an instant with an offset, such as 2027-01-31T18:00:00Z")
    return text


def _whole(value: object) -> object:
    """Return 5 for 5.0: in JSON it is the same number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Whole = Annotated[int, BeforeValidator(_whole)]
_UUID = {"format": "uuid"}
_INSTANT = {"format": "date-time"}
_Id = Annotated[str, Field(json_schema_extra=_UUID), AfterValidator(_uuid)]
Instant = Annotated[str, Field(json_schema_extra=_INSTANT), AfterValidator(_instant)]
_Pattern = Annotated[
    str, Field(min_length=1, max_length=MAX_PATTERN), AfterValidator(grants.pattern)
]
_Origin = Annotated[str, Field(min_length=1, max_length=MAX_PATTERN), AfterValidator(grants.origin)]


class Selection(_Body):
    """Dead letters that are chosen one by one."""

    ids: list[_Id] = Field(
        min_length=1, max_length=MAX_IDS, description="The ids of the dead letters' events."
    )

    @property
    def chosen(self) -> list[UUID]:
        """Return the ids, each once, in order."""
        return list(dict.fromkeys(map(UUID, self.ids)))


class EraseBody(_Body):
    """A person to erase."""

    email: Email = Field(description="The address: ASCII letters in any case.")
    rewrite: bool = Field(
        False, description="Rewrite the files of PostgreSQL that may still hold the bytes, too."
    )


class NewKeyBody(_Body):
    """A key to make: what it is for, and what it may do."""

    name: Annotated[str, AfterValidator(grants.name)] = Field(
        min_length=1,
        max_length=MAX_NAME,
        description="Who uses the key: printable characters, no space at either end.",
    )
    scopes: list[Literal["write", "read", "observe", "admin"]] = Field(
        min_length=1, max_length=len(Scope), description="No scope includes another."
    )
    components: list[_Pattern] = Field(
        [], max_length=MAX_ITEMS, description="`billing`, or `pay-*` for all with this beginning."
    )
    environments: list[_Pattern] = Field([], max_length=MAX_ITEMS)
    events_per_second: _Whole | None = Field(None, ge=1, le=MAX_RATE)
    events_per_day: _Whole | None = Field(None, ge=1, le=MAX_DAILY)
    origins: list[_Origin] = Field(
        [], max_length=MAX_ITEMS, description="Pages of these origins may post with the key."
    )
    expires_at: Instant | None = Field(None, description="When the key ends; null: never.")


class RevokeBody(_Body):
    """When a key ends."""

    in_seconds: _Whole = Field(0, ge=0, le=MAX_OVERLAP_SECONDS, description="0: now.")

    @property
    def delay(self) -> timedelta:
        """Return the time until the key is revoked."""
        return timedelta(seconds=self.in_seconds)


class RotateBody(_Body):
    """How the old key goes on beside the new one."""

    overlap_seconds: _Whole = Field(
        86_400, ge=0, le=MAX_OVERLAP_SECONDS, description="How long the old key stays valid."
    )
    expires_at: Instant | None = Field(
        None, description="When the new key ends; null: it lives as long as the old one was to."
    )

    @property
    def overlap(self) -> timedelta:
        """Return how long the old key stays valid."""
        return timedelta(seconds=self.overlap_seconds)


def future(instant: str | None, now: datetime) -> datetime | None:
    """Return the instant of `expires_at` in UTC. Raises Problem 422 for a past one."""
    if instant is None:
        return None
    found = datetime.fromisoformat(instant).astimezone(UTC)
    if found <= now:
        raise validation_problem([ErrorDetail("must be in the future", pointer="/expires_at")])
    return found


async def read(request: Request, form: type[M], memory: MemoryBudget) -> M:
    """Return the body. Raises Problem 415, 413, 408, 400 or 422.

    A page of another site can't send this media type without asking first, and no answer of this
    service lets it: so it can't act in the name of whoever has opened it.
    """
    media_type(request, JSON)
    with memory.reservation() as reservation:
        body = await read_body(request.scope, request.receive, _LIMITS, reservation)
    try:
        return form.model_validate_json(body)
    except ValidationError as error:
        raise _refusal(error) from None


def _refusal(error: ValidationError) -> Problem:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return Problem(
            400, f"The body is not JSON: {found[0]['msg'].removeprefix('Invalid JSON: ')}."
        )
    return validation_problem(list(_faults(found)))


def _faults(errors: list[Any]) -> Iterator[ErrorDetail]:
    for error in errors:
        path: Path = tuple(error["loc"])
        yield ErrorDetail(_detail(error["type"], error["msg"]), pointer=pointer(path))


def _detail(kind: str, message: str) -> str:
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return "is not a field of this request"
    return message.removeprefix("Value error, ").replace("Input", "it", 1)
