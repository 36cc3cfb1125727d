"""Samples of metrics, as they are shown: the values of a scrape, and the sums over all slots."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from storage.metrics import catalogue
from storage.metrics.catalogue import COUNTED
from storage.metrics.layout import CELLS, combinations, offset, scale, width
from storage.metrics.metric import Metric
from storage.metrics.slot import SlotReading, process_start

Labels = tuple[str, ...]
Values = Mapping[Labels, float]
UNLABELLED: Labels = ()

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

# Of these most combinations never occur: those that have not are left out.
_SPARSE = (catalogue.HTTP_REQUESTS, catalogue.HTTP_REQUEST_DURATION)


@dataclass(frozen=True)
class Distribution:
    """A histogram. `counts`: cumulated, per upper bound of a bucket and then above all of them."""

    counts: Sequence[int]
    sum: float


@dataclass(frozen=True)
class Sampled:
    """A metric and its values, by the values of its labels."""

    metric: Metric
    values: Mapping[Labels, float | Distribution]


def labelled(values: Mapping[str, float]) -> dict[Labels, float]:
    """Return the values of a metric with one label, by the value of that."""
    return {(label,): value for label, value in values.items()}


def counted(readings: Iterable[SlotReading]) -> list[Sampled]:
    """Return the counted metrics: the sums over all slots, those of ended processes included.

    What there is now is in processes that live.
    """
    found = [(reading.cells(), reading.owner is not None) for reading in readings]
    sums = _sums(cells for cells, _ in found)
    now = _sums(cells for cells, is_owned in found if is_owned)
    return [
        Sampled(metric, _values(metric, now if metric.kind == "gauge" else sums))
        for metric in COUNTED
    ]


def _sums(slots: Iterable[Sequence[int]]) -> Sequence[int]:
    """Return the sums by cell, zeros without any slot; a slot has more cells than are in use."""
    return [sum(cells) for cells in zip([0] * CELLS, *slots, strict=False)]


def resident_bytes(readings: Iterable[SlotReading]) -> Sampled:
    """Return the resident memory of the processes that live; nothing where it can't be read."""
    found: dict[Labels, float] = {}
    for reading in readings:
        owner = reading.owner
        size = _resident(owner.pid, owner.started) if owner and owner.pid else None
        if owner and size is not None:
            found[owner.role,] = found.get((owner.role,), 0) + size
    return Sampled(catalogue.PROCESS_RESIDENT, found)


def _values(metric: Metric, sums: Sequence[int]) -> dict[Labels, float | Distribution]:
    found: dict[Labels, float | Distribution] = {}
    size, first = width(metric), offset(metric)
    for number, labels in enumerate(combinations(metric)):
        start = first + number * size
        cells = sums[start : start + size]
        if metric in _SPARSE and not any(cells):
            continue
        found[labels] = _distribution(metric, cells) if size > 1 else cells[0]
    return found


def _distribution(metric: Metric, cells: Sequence[int]) -> Distribution:
    *buckets, total = cells
    return Distribution(list(accumulate(buckets)), total / scale(metric))


def _resident(pid: int, started: int) -> int | None:
    """Return the resident bytes of a process, None if it has ended or they can't be read."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            pages = int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * _PAGE_BYTES if process_start(pid) == started else None
