"""The names of metrics in PromQL, and those that exist."""

import re
from collections.abc import Iterable

from storage.metrics.catalogue import CATALOGUE
from tests.support.prometheus import RULES

_OF_HISTOGRAM = ("_bucket", "_sum", "_count")
HISTOGRAMS = {metric.name for metric in CATALOGUE if metric.kind == "histogram"}
KNOWN = {metric.name for metric in CATALOGUE if metric.kind != "histogram"} | {
    f"{name}{suffix}" for name in HISTOGRAMS for suffix in _OF_HISTOGRAM
}
RECORDED = {
    rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule
}


def named(expression: str) -> set[str]:
    """Return the names of our metrics in an expression; strings in it name none."""
    return set(re.findall(r"\bactivity[_:][a-z0-9_:]+", re.sub(r'"[^"]*"', "", expression)))


def base_names(names: Iterable[str]) -> set[str]:
    """Return the names as in the catalogue: without the suffixes of a histogram."""
    return {
        next((name.removesuffix(end) for end in _OF_HISTOGRAM if name.endswith(end)), name)
        for name in names
    }
