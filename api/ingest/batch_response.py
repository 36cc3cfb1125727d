"""The response to a batch: a result for each item, in the order sent. Pure.

Built from bytes, because most of it is the same few words for each item.
"""

from collections.abc import Iterable, Sequence

import msgspec

from api.http.problems import Problem
from api.ingest.batch_reader import ParsedBatch
from api.ingest.importing import Import
from api.ingest.stamping import StampedBatch
from storage.model.event import time_text
from storage.model.receipt import Receipt


def accepted_body(
    batch: ParsedBatch, stamped: StampedBatch, receipts: Sequence[Receipt] | None
) -> bytes:
    """Build the body when some or all items are accepted; with receipts if they are known."""
    result = b'{"id":"%%b","created_at":"%b"%%b}' % time_text(stamped.created_ms).encode()
    endings = [b""] * len(stamped.ids) if receipts is None else map(_receipt, receipts)
    good = [result % fields for fields in zip(stamped.ids, endings, strict=True)]
    return _body(batch, len(good), _in_order(batch, good))


def imported_body(batch: ParsedBatch, judged: Import, receipts: Sequence[Receipt] | None) -> bytes:
    """Build the body of an import that is accepted; with receipts if they are known."""
    told = [b""] * len(judged.items) if receipts is None else map(_receipt, receipts)
    duplicates = judged.duplicates
    good = [
        b"%b%b%b}"
        % (
            f'{{"id":"{item.event.id}","created_at":"{item.event.created_at}"'.encode(),
            _DUPLICATE if item.number in duplicates else b"",
            receipt,
        )
        for item, receipt in zip(judged.items, told, strict=True)
    ]
    return _body(batch, len(good), _in_order(batch, good), b',"duplicates":%d' % len(duplicates))


_DUPLICATE = b',"duplicate":true'


def dry_import_body(batch: ParsedBatch, judged: Import) -> bytes:
    """Build the body that says what would happen to each item of an import."""
    good = [
        b'{"valid":true%b}' % (_DUPLICATE if item.number in judged.duplicates else b"")
        for item in judged.items
    ]
    more = b',"duplicates":%d,"dry_run":true' % len(judged.duplicates)
    return _body(batch, len(good), _in_order(batch, good), more)


def dry_run_body(batch: ParsedBatch) -> bytes:
    """Build the body that says what would happen to each item."""
    results = _in_order(batch, [b'{"valid":true}'] * len(batch.good))
    return _body(batch, len(batch.good), results, b',"dry_run":true')


def all_rejected(batch: ParsedBatch) -> Problem:
    """Build the problem when no item is valid, so none was accepted."""
    rejected = len(batch.problems)
    detail = f"None of the {rejected} items is a valid event." if rejected > 1 else _ONE
    return _rejection(detail, batch, [])


def atomic_rejected(batch: ParsedBatch) -> Problem:
    """Build the problem when some items are invalid and the batch is atomic: none was accepted."""
    rejected = len(batch.problems)
    detail = (
        f"{rejected} of {batch.count} items are invalid and the batch is atomic: none was accepted."
    )
    good = (index for index in range(batch.count) if index not in batch.problems)
    return _rejection(detail, batch, map(_withheld, good))


def _receipt(receipt: Receipt) -> bytes:
    return b',"receipt":"%b"' % receipt.encode()


def _withheld(index: int) -> bytes:
    detail = "This item is valid, but others in this atomic batch are not."
    return _error(Problem(424, detail, more={"index": index}).body())


def _error(problem: bytes) -> bytes:
    return b'{"error":%b}' % problem


_ONE = "The item is not a valid event."


def _body(batch: ParsedBatch, count: int, results: bytes, more: bytes = b"") -> bytes:
    numbers = (count, len(batch.problems))
    return b'{"accepted":%d,"rejected":%d,"results":%b%b}' % (*numbers, results, more)


def _rejection(detail: str, batch: ParsedBatch, good: Iterable[bytes]) -> Problem:
    results = msgspec.Raw(_in_order(batch, good))
    return Problem(422, detail, more={"accepted": 0, "rejected": batch.count, "results": results})


def _in_order(batch: ParsedBatch, good: Iterable[bytes]) -> bytes:
    """Build the JSON array of all results; `good` has the results of the valid items."""
    results = good
    if batch.problems:
        others = iter(good)
        results = (
            _error(batch.problems[index]) if index in batch.problems else next(others)
            for index in range(batch.count)
        )
    return b"[%b]" % b",".join(results)
