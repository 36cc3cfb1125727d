"""The answer to a batch: a verdict for each item, in the order they were sent. Pure."""

from collections.abc import Iterator, Sequence

import msgspec

from api.acknowledgement import Receipt
from api.batch import Batch
from api.made import Made
from api.problems import Problem


class Verdict(msgspec.Struct, omit_defaults=True):
    """Of one item: what it became, or what is wrong with it."""

    id: str | None = None
    created_at: str | None = None
    receipt: Receipt | None = None
    valid: bool = False
    error: msgspec.Raw | None = None


class BatchBody(msgspec.Struct, omit_defaults=True):
    """The whole answer."""

    accepted: int
    rejected: int
    results: list[Verdict]
    dry_run: bool = False


def accepted(batch: Batch, made: Sequence[Made], receipts: Sequence[Receipt] | None) -> bytes:
    """Some or all were accepted; receipts are told where they were waited for."""
    told: Sequence[Receipt | None] = receipts or [None] * len(made)
    good = (
        Verdict(event.id, event.created_at, receipt)
        for event, receipt in zip(made, told, strict=True)
    )
    return _encoded(BatchBody(len(made), len(batch.problems), _in_order(batch, good)))


def tried(batch: Batch) -> bytes:
    """What would become of each item."""
    good = (Verdict(valid=True) for _ in batch.good)
    results = _in_order(batch, good)
    return _encoded(BatchBody(len(batch.good), len(batch.problems), results, dry_run=True))


def none_good(batch: Batch) -> Problem:
    """Nothing was accepted, since no item is good."""
    rejected = len(batch.problems)
    detail = f"None of the {rejected} items is a good event." if rejected > 1 else _ONE
    return _refused(detail, _in_order(batch, iter(())))


def held_back(batch: Batch) -> Problem:
    """Nothing was accepted, since the batch is atomic and some items are bad."""
    rejected = len(batch.problems)
    detail = f"{rejected} of {batch.count} items are bad, so none was accepted: it is all or none."
    good = (index for index in range(batch.count) if index not in batch.problems)
    return _refused(detail, _in_order(batch, (Verdict(error=_other(index)) for index in good)))


def _other(index: int) -> msgspec.Raw:
    detail = "It is good, but others of this atomic batch are not."
    return msgspec.Raw(Problem(424, detail, more={"index": index}).body())


_ONE = "The one item is not a good event."
_encoded = msgspec.json.Encoder().encode


def _refused(detail: str, results: list[Verdict]) -> Problem:
    return Problem(422, detail, more={"accepted": 0, "rejected": len(results), "results": results})


def _in_order(batch: Batch, good: Iterator[Verdict]) -> list[Verdict]:
    return [
        Verdict(error=batch.problems[index]) if index in batch.problems else next(good)
        for index in range(batch.count)
    ]
