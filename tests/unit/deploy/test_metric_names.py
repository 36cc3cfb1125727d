"""Every metric that the alerts and the dashboard ask for is in the catalogue."""

import re

from storage.metrics.catalogue import CATALOGUE
from tests.support.dashboard import expressions
from tests.support.prometheus import RULES

_SAMPLES = ("", "_bucket", "_sum", "_count")


def test_every_name_is_in_the_catalogue() -> None:
    known = {
        metric.name + end
        for metric in CATALOGUE
        for end in (_SAMPLES[1:] if metric.kind == "histogram" else _SAMPLES[:1])
    }
    rules = [rule for group in RULES["groups"] for rule in group["rules"]]
    asked = {
        name
        for query in [*expressions(), *(rule["expr"] for rule in rules)]
        for name in re.findall(r"(?<![\w:])activity_\w+", query)
    }
    assert len(asked) > 20
    assert asked - known == set()


def test_every_value_of_a_label_is_in_the_catalogue() -> None:
    listed = {
        label: set(values) for metric in CATALOGUE for label, values in metric.labels if values
    }
    rules = [rule for group in RULES["groups"] for rule in group["rules"]]
    queries = " ".join([*expressions(), *(rule["expr"] for rule in rules)])
    for label, operator, text in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', queries):
        if label not in listed:
            continue
        wanted = text.split("|") if "~" in operator else [text]
        for pattern in wanted:
            found = [value for value in listed[label] if re.fullmatch(pattern, value)]
            assert found, f"{label} has no value {pattern}"
