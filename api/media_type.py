"""What a body is sent as."""

from typing import TypeVar

from fastapi import Request

from api.problems import Problem

Known = TypeVar("Known", bound=str)


def media_type(request: Request, *known: Known) -> Known:
    """The one of these that the body is sent as. Raises Problem 415 for any other."""
    kinds = request.headers.getlist("content-type") or [""]
    bare = [kind.partition(";")[0].strip().lower() for kind in kinds]
    for kind in bare:
        if kind not in known:
            told = kind[:100] or "without a content type"
            raise Problem(415, f"Send {' or '.join(known)}; this is {told}.")
    return known[known.index(bare[-1])]
