"""The answer to a batch: a verdict for each item, in the order they were sent. Pure.

Made of bytes: most of an answer is the same few words for each item.
"""

from collections.abc import Iterable, Sequence

import msgspec

from api.http.problems import Problem
from api.ingest.batch_reader import ParsedBatch
from api.ingest.stamping import StampedBatch
from storage.model.event import time_text
from storage.model.receipt import Receipt


def accepted(
    batch: ParsedBatch, stamped: StampedBatch, receipts: Sequence[Receipt] | None
) -> bytes:
    """Some or all were accepted; receipts are told where they were waited for."""
    verdict = b'{"id":"%%b","created_at":"%b"%%b}' % time_text(stamped.created_ms).encode()
    told = [b""] * len(stamped.ids) if receipts is None else map(_receipt, receipts)
    good = [verdict % one for one in zip(stamped.ids, told, strict=True)]
    return _body(batch, len(good), _in_order(batch, good))


def tried(batch: ParsedBatch) -> bytes:
    """What would become of each item."""
    results = _in_order(batch, [b'{"valid":true}'] * len(batch.good))
    return _body(batch, len(batch.good), results, b',"dry_run":true')


def none_good(batch: ParsedBatch) -> Problem:
    """Nothing was accepted, since no item is good."""
    rejected = len(batch.problems)
    detail = f"None of the {rejected} items is a good event." if rejected > 1 else _ONE
    return _refused(detail, batch, [])


def held_back(batch: ParsedBatch) -> Problem:
    """Nothing was accepted, since the batch is atomic and some items are bad."""
    rejected = len(batch.problems)
    detail = f"{rejected} of {batch.count} items are bad, so none was accepted: it is all or none."
    good = (index for index in range(batch.count) if index not in batch.problems)
    return _refused(detail, batch, map(_other, good))


def _receipt(receipt: Receipt) -> bytes:
    return b',"receipt":"%b"' % receipt.encode()


def _other(index: int) -> bytes:
    detail = "It is good, but others of this atomic batch are not."
    return _error(Problem(424, detail, more={"index": index}).body())


def _error(problem: bytes) -> bytes:
    return b'{"error":%b}' % problem


_ONE = "The one item is not a good event."


def _body(batch: ParsedBatch, count: int, results: bytes, more: bytes = b"") -> bytes:
    numbers = (count, len(batch.problems))
    return b'{"accepted":%d,"rejected":%d,"results":%b%b}' % (*numbers, results, more)


def _refused(detail: str, batch: ParsedBatch, good: Iterable[bytes]) -> Problem:
    results = msgspec.Raw(_in_order(batch, good))
    return Problem(422, detail, more={"accepted": 0, "rejected": batch.count, "results": results})


def _in_order(batch: ParsedBatch, good: Iterable[bytes]) -> bytes:
    """All verdicts, as a JSON array; `good` are those of the good items."""
    verdicts = good
    if batch.problems:
        others = iter(good)
        verdicts = (
            _error(batch.problems[index]) if index in batch.problems else next(others)
            for index in range(batch.count)
        )
    return b"[%b]" % b",".join(verdicts)
