"""What a metric is: its type, unit, labels and one line of help."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
Origin = Literal["service", "instance"]
Labels = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Metric:
    """One metric. `labels`: each with its values; none are listed if they are known at run time.

    `buckets`: upper bounds of a histogram, in the metric's unit.
    """

    name: str
    kind: Kind
    origin: Origin
    help: str
    unit: str = ""
    labels: Labels = ()
    buckets: tuple[float, ...] = ()
