"""What a client accepts (RFC 9110, 12.5). Pure."""

from collections.abc import Iterator

from api.http.headers import Headers, header_values

ACCEPT = b"accept"
ACCEPT_ENCODING = b"accept-encoding"


def accepts_gzip(headers: Headers) -> bool:
    """Return whether the client names gzip, and does not refuse it."""
    qualities = dict(_qualities(headers, ACCEPT_ENCODING))
    named = [qualities[coding] for coding in (b"gzip", b"x-gzip") if coding in qualities]
    return max(named, default=qualities.get(b"*", 0.0)) > 0


def prefers(headers: Headers, media_type: bytes, other: bytes) -> bool:
    """Return whether the client names `media_type`, and does not accept `other` more gladly.

    A range such as `*/*` says nothing against what is named beside it.
    """
    qualities = dict(_qualities(headers, ACCEPT))
    wanted = qualities.get(media_type, 0.0)
    return wanted > 0 and wanted >= qualities.get(other, 0.0)


def _qualities(headers: Headers, name: bytes) -> Iterator[tuple[bytes, float]]:
    for item in b",".join(header_values(headers, name)).split(b","):
        value, *parameters = (part.strip().lower() for part in item.split(b";"))
        if value:
            yield value, _q(parameters)


def _q(parameters: list[bytes]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
