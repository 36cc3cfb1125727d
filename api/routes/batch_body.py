"""Read the body of a batch for a route."""

from collections.abc import AsyncIterator, Callable, Mapping
from hashlib import blake2b

from fastapi import Request

from api.auth.limited_reader import limited
from api.formats.registry import BatchFormat
from api.http.memory_budget import Reservation
from api.http.request_body import body_pieces, without_first_bom
from api.ingest.batch_reader import BatchLimits, BatchReader, ParsedBatch
from api.ingest.splitters import JsonArraySplitter, NdjsonSplitter
from api.routes.protected_route import principal_of
from api.services import services_of

_SPLITTERS: Mapping[str, Callable[[BatchLimits], NdjsonSplitter | JsonArraySplitter]] = {
    "array": lambda limits: JsonArraySplitter(limits.item_bytes, limits.brackets),
    "lines": lambda limits: NdjsonSplitter(limits.item_bytes, limits.lines),
}


async def read_batch(
    request: Request, batch: BatchFormat, reservation: Reservation, hash_: blake2b | None = None
) -> ParsedBatch:
    """Read all items. `hash_`, if given, is updated with the whole body."""
    services = services_of(request)
    limits = services.limits.items
    splitter = _SPLITTERS[batch.framing](limits)
    pieces = without_first_bom(body_pieces(request.scope, request.receive, services.limits.batch))
    if hash_ is not None:
        pieces = _hashed(pieces, hash_)
    reader = limited(batch.reader(limits.item_bytes), principal_of(request).limits)
    return await BatchReader(splitter, reader, limits, reservation).read(pieces)


async def _hashed(pieces: AsyncIterator[bytes], hash_: blake2b) -> AsyncIterator[bytes]:
    async for piece in pieces:
        hash_.update(piece)
        yield piece
