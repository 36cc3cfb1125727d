"""One scrape of `GET /metrics`, as Prometheus's own parser reads it."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[str, ...]


@dataclass(frozen=True)
class Scrape:
    """The families of a scrape, by the name of their metric in the catalogue."""

    families: Mapping[str, Metric]

    def __getitem__(self, sample: str) -> float:
        """Return the value of a sample without labels."""
        return self.by(sample)[()]

    def __contains__(self, sample: str) -> bool:
        return bool(self.by(sample))

    def by(self, sample: str, *labels: str) -> dict[Labels, float]:
        """Return the values of a sample by the values of these labels."""
        return {
            tuple(found.labels[label] for label in labels): found.value
            for family in self.families.values()
            for found in family.samples
            if found.name == sample
        }

    def rise(self, before: "Scrape", sample: str, *labels: str) -> dict[Labels, float]:
        """Return by how much values have risen, without those that have not."""
        old = before.by(sample, *labels)
        rises = {key: value - old.get(key, 0) for key, value in self.by(sample, *labels).items()}
        return {key: value for key, value in rises.items() if value}


def parse(text: str) -> Scrape:
    """Parse the text of a scrape."""
    families = text_string_to_metric_families(text)
    return Scrape(
        {family.name + "_total" * (family.type == "counter"): family for family in families}
    )


def scrape(http: httpx.Client) -> Scrape:
    """Ask the service for its metrics."""
    answer = http.get("/metrics")
    assert answer.status_code == 200, answer.text
    return parse(answer.text)
