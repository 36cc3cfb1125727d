"""How a parameter of `GET /events` is declared, beside the field of `Filters` that it fills. Pure.

All else that must know the parameter follows from its declaration: how the query string is read
(`api/query/params.py`), the canonical form and with it the cache key, the cache tags, the OpenAPI
document, and the table in `docs/http.md`. Only its SQL is elsewhere: in
`storage/events/conditions.py`. A field without a parameter limits what a client may see.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from storage.model.normal_form import normal_form, utc

Kind = Literal[
    "name",
    "text",
    "excluded text",
    "data",
    "data path",
    "question",
    "start",
    "end",
    "limit",
    "order",
    "cursor",
    "id",
    "switch",
]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A name in the query string. `kind` says how its values are read and what they may be.

    `description` is whole sentences in Markdown, for the OpenAPI document and `docs/http.md`.
    """

    name: str
    kind: Kind
    description: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is known of a field of `Filters`.

    `normalize` gives equal questions the same value. `tag_rank`: see `texts`; `normalize_text` is
    then applied to the events' values too.
    """

    parameters: tuple[Parameter, ...]
    default: Any
    normalize: Callable[[Any], Any]
    normalize_text: Callable[[str], str] = str
    tag_rank: int | None = None


def texts(
    name: str,
    description: str,
    normalize: Callable[[str], str] = str,
    tag_rank: int | None = None,
    kind: Literal["text", "name"] = "text",
) -> Any:
    """Declare a parameter that may be repeated; its field is a tuple of texts, empty by default.

    Give a `tag_rank` only if every event that matches has one of the texts (normalised) in its
    field of the same name: then the cache tags of the texts prove a page unchanged. Where several
    filters with a rank are given, the lowest rank decides: give the most selective the lowest.
    """

    def normalize_all(values: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(set(map(normalize, values))))

    parameter = Parameter(name, kind, description)
    return _field(Declaration((parameter,), (), normalize_all, normalize, tag_rank))


def limit_of(normalize: Callable[[Iterable[str]], tuple[str, ...]]) -> Any:
    """Declare a limit of what a client may see: a tuple of patterns, empty by default.

    No parameter of a query string sets it.
    """
    return _field(Declaration((), (), normalize))


def data_groups(*parameters: Parameter) -> Any:
    """Declare the parameters of `data`; their field is groups of canonical JSON objects."""

    def normalize(groups: Iterable[Iterable[str]]) -> tuple[tuple[str, ...], ...]:
        return tuple(sorted({tuple(sorted(set(group))) for group in groups if group}))

    return _field(Declaration(parameters, (), normalize))


def tree(*parameters: Parameter) -> Any:
    """Declare the parameters that become parts of a tree; their field is it, None by default."""
    return _field(Declaration(parameters, None, normal_form))


def instant(name: str, kind: Literal["start", "end"], description: str) -> Any:
    """Declare a date; its field is an aware datetime in UTC, None by default."""
    return _field(Declaration((Parameter(name, kind, description),), None, _utc))


def single(name: str, kind: Literal["limit", "order", "cursor"], default: Any, text: str) -> Any:
    """Declare a parameter of one value, described by `text`."""
    return _field(Declaration((Parameter(name, kind, text),), default, lambda value: value))


def declaration_of(metadata: Any) -> Declaration:
    """Return the declaration in the metadata of a field."""
    declaration: Declaration = metadata["declaration"]
    return declaration


def _field(declaration: Declaration) -> Any:
    return field(default=declaration.default, metadata={"declaration": declaration})


def _utc(value: datetime | None) -> datetime | None:
    return None if value is None else utc(value)
