"""The names and values of a query string, decoded and within bounds. Pure."""

from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from api.http.error_detail import ErrorDetail

MAX_QUERY_BYTES = 16 * 1024
MAX_PAIRS = 200
QUESTION = "q"
MAX_QUOTED = 60  # characters of what was sent, in an error


class InvalidQuery(ValueError):
    """The query string can't be understood; `faults` says everything that is wrong with it."""

    def __init__(self, faults: list[ErrorDetail]) -> None:
        super().__init__("; ".join(fault.detail for fault in faults))
        self.faults = faults

    @property
    def summary(self) -> str:
        """One sentence about all faults: of `q` alone, or of parameters."""
        if {fault.parameter for fault in self.faults} <= {None, QUESTION}:
            return "The query can't be understood."
        return "A parameter is not valid: every fault is listed."


Pair = tuple[str, str]


def decoded_pairs(query_string: bytes, faults: list[ErrorDetail]) -> list[Pair]:
    """Return every name and value; add a fault for what can't be decoded.

    Raises InvalidQuery for a query string over a bound, without decoding it.
    """
    return list(_decoded(_bounded(query_string), faults))


def fault(name: str, what: str) -> ErrorDetail:
    """Return what is wrong with the parameter of that name."""
    shown = quoted(name)
    return ErrorDetail(f"{shown or 'a parameter without a name'} {what}", parameter=shown)


def quoted(text: str) -> str:
    """Return the text as it may be shown in an error: its beginning, if it is long."""
    return text if len(text) <= MAX_QUOTED else text[:MAX_QUOTED] + "…"


def _bounded(query_string: bytes) -> list[bytes]:
    """Return the undecoded pairs. Raises InvalidQuery where there are too many."""
    if len(query_string) > MAX_QUERY_BYTES:
        raise InvalidQuery(
            [ErrorDetail(f"the query string is longer than {MAX_QUERY_BYTES:,} bytes")]
        )
    pairs = [pair for pair in query_string.split(b"&") if pair]
    if len(pairs) > MAX_PAIRS:
        raise InvalidQuery(
            [ErrorDetail(f"the query has {len(pairs)} parameters, over {MAX_PAIRS}")]
        )
    return pairs


def _decoded(pairs: list[bytes], faults: list[ErrorDetail]) -> Iterator[tuple[str, str]]:
    for pair in pairs:
        raw_name, _, raw_value = pair.partition(b"=")
        name = _percent_decoded(raw_name)
        shown = name.decode(errors="backslashreplace")
        try:
            texts = _text(name), _text(_percent_decoded(raw_value))
        except ValueError as error:
            faults.append(fault(shown, str(error)))
        else:
            yield texts


def _percent_decoded(raw: bytes) -> bytes:
    return unquote_to_bytes(raw.replace(b"+", b" "))


def _text(raw: bytes) -> str:
    if b"\0" in raw:
        raise ValueError("holds a NUL character")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 (byte {error.start + 1})") from error
