"""What `activity query` says to options that are wrong, and where."""

import msgspec
import pytest

from cli.main import main, parser
from cli.query.event_table import EventTable
from cli.query.refusals import question_text
from cli.query.screen import Screen
from storage.statistics.bars import INTERVALS


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-component:tests"], "use --not-component, or put -- before a question"),
        (["-data.n:1"], "use --not-data, or put -- before a question"),
        (["--", "paid", "--limit=5"], "--limit=5 is behind --"),
        (["--", "paid", "--limit", "5"], "put options before --"),
    ],
)
def test_a_minus_is_explained(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["query", *words]) == 2
    assert told in capsys.readouterr().err


def test_a_question_behind_two_minuses_is_taken() -> None:
    assert parser().parse(["query", "--", "-component:tests"]).q == ["-component:tests"]


@pytest.mark.parametrize("interval", [*INTERVALS, "auto"])
def test_every_interval_of_the_service_is_an_option(interval: str) -> None:
    assert parser().parse(["query", "--stats", "--interval", interval]).interval == interval


@pytest.mark.parametrize(
    "words", [["--limit", "4"], ["--nothing"], ["--limit", "many"], ["--component", " "]]
)
def test_no_error_stands_among_the_events(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["query", "--since", "siem.token", "--json", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "activity: error: " in said.err


def test_the_error_is_not_below_a_page_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--limit", "many"]) == 2
    usage, error = capsys.readouterr().err.splitlines()
    assert usage == "usage: activity query ... (see activity query --help)"
    assert error.startswith("activity: error: ")


def test_the_service_names_a_parameter_and_the_command_its_option() -> None:
    detail = "hour would give more than 1,000 bars: interval=day fits"
    told = question_text({"errors": [{"parameter": "interval", "detail": detail}]})
    assert told.endswith(": --interval day fits")


def test_a_value_in_data_is_a_column() -> None:
    event = msgspec.json.encode(
        {
            "id": "i",
            "created_at": "t",
            "component": "c",
            "environment": "e",
            "message": "m",
            "data": msgspec.Raw(b'{"a": {"n": 1.50, "text": "x\\ny", "none": null}}'),
        }
    )
    columns = ["data.a.n", "data.a.text", "data.a.none", "data.a", "data.b.c", "data.a.n.x"]
    heading, line = EventTable(Screen(), columns).lines([msgspec.Raw(event)])
    assert heading.split() == columns
    assert line.split("  ")[0] == "1.50"
    assert r"x\ny" in line
    assert [cell for cell in line.split() if cell == "-"] == ["-"] * 3


def test_a_path_without_a_key_is_no_column(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "--columns", "id,data."]) == 2
    assert "--columns: 'data.' has an empty key in its path" in capsys.readouterr().err
