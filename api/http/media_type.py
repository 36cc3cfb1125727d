"""What a body is sent as."""

from collections.abc import Mapping
from typing import TypeVar

from fastapi import Request

from api.http.problems import Problem

_NOWHERE: Mapping[str, str] = {}

Known = TypeVar("Known", bound=str)


def media_type(request: Request, *known: Known, elsewhere: Mapping[str, str] = _NOWHERE) -> Known:
    """The one of these that the body is sent as. Raises Problem 415 for any other.

    `elsewhere`: a hint for a media type that another path takes.
    """
    kinds = request.headers.getlist("content-type") or [""]
    bare = [kind.partition(";")[0].strip().lower() for kind in kinds]
    for kind in bare:
        if kind not in known:
            told = kind[:100] or "without a content type"
            detail = f"Send {' or '.join(known)}; this is {told}."
            raise Problem(415, detail).with_hint(elsewhere.get(kind))
    return known[known.index(bare[-1])]
