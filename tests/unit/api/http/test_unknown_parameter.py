"""Check that an unknown parameter is told the one that was meant, or none."""

import pytest

from api.http.unknown_parameter import unknown_parameter
from api.query.feed.params import OF_TAIL
from api.query.params import KNOWN as OF_EVENTS
from api.query.statistics.facet_params import KNOWN as OF_FACETS
from api.query.statistics.params import KNOWN as OF_STATS


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("componnent", OF_EVENTS, "; did you mean component?"),
        ("from", OF_EVENTS, "; did you mean from_date?"),
        ("env", OF_EVENTS, "; did you mean environment?"),
        ("Limit", OF_EVENTS, "; did you mean limit?"),
        ("component!", OF_EVENTS, "; did you mean -component?"),
        ("query", OF_EVENTS, "; did you mean q?"),
        ("sort", OF_EVENTS, "; did you mean order?"),
        ("page", OF_EVENTS, "; did you mean cursor?"),
        ("since", OF_EVENTS, "; did you mean from_date?"),
        ("amount", OF_EVENTS, "; a value in data is asked for with data.amount."),
        ("invoice.id", OF_EVENTS, "; a value in data is asked for with data.invoice.id."),
        ("a b", OF_EVENTS, "."),
        ("x" * 61, OF_EVENTS, f"; a value in data is asked for with data.{'x' * 60}."),
        ("tz", OF_EVENTS, " here, but of GET /events/stats."),
        ("timezone", OF_STATS, "; did you mean tz?"),
        ("field", OF_STATS, "; did you mean group_by?"),
        ("limit", OF_STATS, " here, but of GET /events."),
        ("values", OF_STATS, " here, but of GET /events/facets."),
        ("group_by", OF_FACETS, "; did you mean field?"),
        ("limit", OF_FACETS, "; did you mean values?"),
        ("next", OF_FACETS, " here, but of GET /events/stats."),
        ("wait", [*OF_TAIL], " here, but of GET /events/changes."),
        ("skip", OF_EVENTS, " here, but of GET /events/tail."),
        ("q", ["before", "after"], "."),
    ],
)
def test_the_hint_names_what_was_meant(name: str, known: list[str], hint: str) -> None:
    told = unknown_parameter(name, known)
    assert told == f"is not a parameter{hint} Known are {', '.join(known)}"
