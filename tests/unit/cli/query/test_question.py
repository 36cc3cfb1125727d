"""The options of `activity query` are the parameters over HTTP."""

import pytest

from api.query.fresh import FRESH
from api.query.statistics import facet_params
from api.query.statistics import params as stats_params
from cli.errors import UsageError
from cli.main import parser
from cli.query.question import OPTIONS, parameters
from storage.model.filters import PARAMETERS

OF_PAGES = {"limit", "order", "cursor"}


def asked(*words: str) -> list[tuple[str, str]]:
    return parameters(parser(["query"]).parse(["query", *words]))


def test_each_filter_over_http_has_an_option() -> None:
    named = {option.parameter for option in OPTIONS}
    named |= {"q", "data", "data.<path>", "-data.<path>"}
    assert named == {each.name for each in PARAMETERS} - OF_PAGES


def test_an_option_has_the_name_of_its_parameter() -> None:
    for option in OPTIONS:
        name = option.parameter
        expected = f"not-{name[1:]}" if name.startswith("-") else name.replace("_", "-")
        assert option.flags[0] == f"--{expected}"


def test_each_parameter_of_counts_has_an_option() -> None:
    known = {name for action in parser(["query"]).actions() for name in action.option_strings}
    own = {*stats_params.OWN, *facet_params.OWN, FRESH.name} - {"next"}
    assert {f"--{name.replace('_', '-')}" for name in own} <= known


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["paid"], [("q", "paid")]),
        (["was", "paid"], [("q", "was paid")]),
        (["--", "-environment:dev"], [("q", "-environment:dev")]),
        (["paid -draft"], [("q", "paid -draft")]),
        (["--component", "a", "--component=pay*"], [("component", "a"), ("component", "pay*")]),
        (["--not-component", "a"], [("-component", "a")]),
        (["--from", "-24h", "--to", "now"], [("from_date", "-24h"), ("to_date", "now")]),
        (["--from-date", "2026-11-24"], [("from_date", "2026-11-24")]),
        (["--data", "a.b=5"], [("data.a.b", "5")]),
        (["--data", "a=b=c"], [("data.a", "b=c")]),
        (["--data", '{"a":1}'], [("data", '{"a":1}')]),
        (["--not-data", "a=5"], [("-data.a", "5")]),
        (["--fresh"], [("fresh", "true")]),
        ([], []),
    ],
)
def test_options_become_parameters(words: list[str], expected: list[tuple[str, str]]) -> None:
    assert asked(*words) == expected


@pytest.mark.parametrize(
    "words", [["--component", ""], ["--from= "], ["--message", "a", "--message="]]
)
def test_a_blank_filter_is_refused_because_it_would_ask_for_everything(words: list[str]) -> None:
    with pytest.raises(UsageError, match="is blank"):
        asked(*words)


@pytest.mark.parametrize("words", [["--data", "a"], ["--data", "=5"], ["--not-data", '{"a":1}']])
def test_data_without_a_path_or_a_value_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError, match="is not PATH=VALUE"):
        asked(*words)
