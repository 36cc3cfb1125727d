"""Read the media type of a body."""

from collections.abc import Mapping
from typing import TypeVar

from fastapi import Request

from api.http.problems import Problem

_NOWHERE: Mapping[str, str] = {}

Known = TypeVar("Known", bound=str)


def media_type(request: Request, *known: Known, elsewhere: Mapping[str, str] = _NOWHERE) -> Known:
    """Return which of the known media types the body has. Raises Problem 415 for any other.

    `elsewhere`: a hint for each media type that another path accepts.
    """
    kinds = request.headers.getlist("content-type") or [""]
    bare = [kind.partition(";")[0].strip().lower() for kind in kinds]
    for kind in bare:
        if kind not in known:
            sent = kind[:100] or "without a content type"
            detail = f"Send {' or '.join(known)}; this body is {sent}."
            raise Problem(415, detail).with_hint(elsewhere.get(kind))
    return known[known.index(bare[-1])]
