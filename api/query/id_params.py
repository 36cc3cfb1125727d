"""`GET /events?id=...&id=...`: some events by their ids. Pure."""

import re
from uuid import UUID

from api.http.error_detail import ErrorDetail
from api.query.params import InvalidQuery, decoded_pairs

NAME = "id"
is_uuid = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch


def parse_ids(query_string: bytes) -> list[UUID]:
    """The ids asked for, each once, in order; none where there is no `id`. Raises InvalidQuery."""
    faults: list[ErrorDetail] = []
    pairs = [(name, value) for name, value in decoded_pairs(query_string, faults) if value.strip()]
    texts = dict.fromkeys(value.strip() for name, value in pairs if name == NAME)
    if not texts:
        return []
    if others := dict.fromkeys(name[:60] for name, _ in pairs if name != NAME):
        told = ", ".join(list(others)[:10])
        faults.append(ErrorDetail(f"stands alone: not with {told}", parameter=NAME))
    faults += [
        ErrorDetail(f"{text[:60]!r} is not a UUID", parameter=NAME)
        for text in texts
        if not is_uuid(text)
    ]
    if faults:
        raise InvalidQuery(faults)
    return list(dict.fromkeys(map(UUID, texts)))
