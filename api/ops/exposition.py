"""Samples as text that Prometheus reads, by Prometheus's own library."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from storage.metrics.catalogue import BUILD_INFO
from storage.metrics.samples import Distribution, Sampled, counted, resident_bytes
from storage.metrics.slot import SlotReading

_VERSION = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){0,3}")


class Exposition(NamedTuple):
    """The text, and its media type."""

    media_type: str
    body: bytes


def expose(samples: Iterable[Sampled], accept: str) -> Exposition:
    """Return the text in the format that an Accept header asks for: OpenMetrics, or plain text.

    What the header asks for in an odd way is passed over. A metric without a value is left out.
    """
    usual = [wanted for wanted in accept.split(",") if _is_usual(wanted)]
    encode, media_type = choose_encoder(",".join(usual))
    return Exposition(media_type, encode(_Families(samples)))


def of_instance(readings: Sequence[SlotReading], version: str) -> list[Sampled]:
    """Return the metrics of an instance, from the slots of its supervisor's processes."""
    build = Sampled(BUILD_INFO, {(version,): 1})
    return [*counted(readings), resident_bytes(readings), build]


def _is_usual(wanted: str) -> bool:
    """Return whether the library can read this media range: it raises at an odd version."""
    parameters = (part.strip().partition("=") for part in wanted.split(";"))
    versions = [value for name, _, value in parameters if name == "version"]
    return all(_VERSION.fullmatch(version) for version in versions)


class _Families(Collector):
    def __init__(self, samples: Iterable[Sampled]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        """Return each metric that has a value, as the library knows it."""
        return (_family(sampled) for sampled in self._samples if sampled.values)


def _family(sampled: Sampled) -> Metric:
    metric, values = sampled.metric, sampled.values
    names = [name for name, _ in metric.labels]
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=names)
        for labels, value in values.items():
            if isinstance(value, Distribution):
                buckets = list(zip(_bounds(metric.buckets), value.counts, strict=True))
                histogram.add_metric(labels, buckets, value.sum)
        return histogram
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=names)
    for labels, value in values.items():
        if not isinstance(value, Distribution):
            family.add_metric(labels, value)
    return family


def _bounds(buckets: Sequence[float]) -> list[str]:
    return [*(str(float(bound)) for bound in buckets), "+Inf"]
