"""`activity query` and `activity get` against a real service, in a pipe and on a terminal."""

import json
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cli.display_width import width
from storage.access.api_key import Scope
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.activity_command import ActivityCommand
from tests.support.keys import new_key, put_on_queue
from tests.support.reading import store
from tests.support.statistics import event_at

EVENTS = 2_500  # more than two pages
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
HOSTILE = "\x1b[31mred\x1b[0m\nsecond line\u202e"
WIDE = "支払いが完了しました"
_STYLE = re.compile(r"\x1b\[\d*m")


def made(number: int) -> Any:
    """Make an event each minute."""
    fields: dict[str, Any] = {
        "component": ["auth", "billing", "支払い"][number % 3],
        "environment": "production" if number % 2 else "dev",
        "message": [f"Invoice {number} was paid", HOSTILE, WIDE * 20][number % 3],
        "email": "jo@example.com" if number % 5 == 0 else None,
        "data": {"n": number, "note": "\x9b"},
    }
    return event_at(BEGIN + timedelta(minutes=number), **fields)


@pytest.fixture(scope="module")
def running(servers: TestServers) -> Iterator[Service]:
    with servers.fresh() as settings:
        store(settings, [made(number) for number in range(EVENTS)])
        with service(settings, workers=0, cache_grace_ms=0) as found:
            yield found


@pytest.fixture(scope="module")
def activity(running: Service) -> ActivityCommand:
    return ActivityCommand(running.url)


def numbers(lines: list[str]) -> list[int]:
    return [json.loads(line)["data"]["n"] for line in lines]


def test_the_newest_events_are_shown_and_the_newest_is_last(activity: ActivityCommand) -> None:
    ended = activity.run("query", "--json", "--limit", "5")
    assert numbers(ended.stdout.splitlines()) == list(range(EVENTS - 5, EVENTS))
    assert "older events match too" in ended.stderr
    assert numbers(activity.lines("query", "--json")) == list(range(EVENTS - 100, EVENTS))


def test_more_than_a_page_is_turned_too(activity: ActivityCommand) -> None:
    found = numbers(activity.lines("query", "--json", "--limit", "1700"))
    assert found == list(range(EVENTS - 1700, EVENTS))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--order", "asc", "--limit", "3"], [0, 1, 2]),
        (["--order", "desc", "--limit", "3"], [EVENTS - 1, EVENTS - 2, EVENTS - 3]),
        (["--all"], list(range(EVENTS))),
        (["--all", "--order", "desc"], list(range(EVENTS))[::-1]),
        (["--data", "n=7"], [7]),
        (["Invoice", "--to", "2026-11-01T00:10Z"], [0, 3, 6, 9]),
        (["--not-component", "billing", "--not-component=auth", "--to=2026-11-01T00:06Z"], [2, 5]),
        (["component:billing", "data.n<5"], [1, 4]),
        (["--", "-component:(billing OR auth)", "data.n<5"], [2]),
        (["--message", "nothing like this"], []),
    ],
)
def test_events_are_asked_for_by_every_filter(
    activity: ActivityCommand, options: list[str], expected: list[int]
) -> None:
    ended = activity.run("query", "--json", *options)
    assert (ended.returncode, numbers(ended.stdout.splitlines())) == (0, expected)
    assert ("no event matches" in ended.stderr) == (expected == [])


def test_the_table_has_a_line_for_each_event_without_control_characters(
    activity: ActivityCommand,
) -> None:
    heading, *lines = activity.lines("query", "--limit", "3", "--to", "2026-11-02")
    assert heading.split()[:3] == ["CREATED", "(UTC)", "COMPONENT"]
    assert len(lines) == 3
    assert any(r"\x1b[31mred\x1b[0m\nsecond line\u202e" in line for line in lines)
    assert any(line.endswith(WIDE * 20) for line in lines)  # nothing is cut in a pipe
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("columns", [40, 80, 133])
def test_the_table_fits_the_terminal(activity: ActivityCommand, columns: int) -> None:
    written, _ = activity.on_terminal("query", "--limit", "30", columns=columns)
    lines = [_STYLE.sub("", line) for line in written.splitlines()]
    assert len(lines) == 31
    assert max(map(width, lines)) <= columns
    assert not any(c in "".join(lines) for c in "\x1b\u202e")


def test_there_are_colours_on_a_terminal_only_and_not_with_no_color(
    activity: ActivityCommand,
) -> None:
    written, _ = activity.on_terminal("query", "--limit", "2", columns=80)
    assert "\x1b[36m" in written
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        written, _ = activity.on_terminal("query", "--limit", "2", columns=80, **variables)
        assert "\x1b" not in written
    assert "\x1b" not in activity.run("query", "--limit", "2").stdout


def test_json_is_what_the_service_says_and_safe_on_a_terminal(
    running: Service, activity: ActivityCommand
) -> None:
    piped = activity.run("query", "--json", "--limit", "3").stdout
    events = running.events(limit=3)[::-1]
    assert [json.loads(line) for line in piped.splitlines()] == events
    assert "\x9b" in piped
    written, _ = activity.on_terminal("query", "--json", "--limit", "3", columns=80)
    assert "\x9b" not in written
    assert "\u202e" not in written
    assert [json.loads(line) for line in written.splitlines()] == events


def test_columns_are_chosen(activity: ActivityCommand) -> None:
    heading, line = activity.lines("query", "--columns", "id,email,data", "--data", "n=5")
    assert heading.split() == ["ID", "EMAIL", "DATA"]
    assert line.split()[1] == "jo@example.com"
    assert json.loads(line[line.index("{") :].replace(r"\x9b", "")) == {"n": 5, "note": ""}
    assert activity.run("query", "--columns", "id,nmae").returncode == 2


def test_a_fault_in_the_question_is_shown_with_a_caret(activity: ActivityCommand) -> None:
    ended = activity.run("query", "paid", "componnet:billing")
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr == (
        "activity: error: q, character 6: 'componnet' is not a field; did you mean component? Put "
        "text with a colon in quotes\n  paid componnet:billing\n       ^\n"
    )
    ended = activity.run("query", "--json", "paid (", "--from", "never")
    error = json.loads(ended.stdout)["error"]
    assert (error["type"], error["exit_status"]) == ("BadQuestion", 2)
    assert "from_date 'never' is not an accepted date" in error["message"]


@pytest.mark.parametrize(
    "options",
    [
        ["--stats", "--facets"],
        ["--stats", "--limit", "5"],
        ["--interval", "hour"],
        ["--field", "component"],
        ["--all", "--limit", "5"],
        ["--limit", "20000"],
        ["--limit", "0"],
        ["--json", "--columns", "id"],
        ["--url", "http://127.0.0.1:1", "--data-dir", "x"],
        ["--component", " "],
    ],
)
def test_options_that_do_not_fit_together_are_refused(
    activity: ActivityCommand, options: list[str]
) -> None:
    ended = activity.run("query", *options)
    assert (ended.returncode, ended.stdout.startswith('{"error"')) == (2, "--json" in options)


def test_counts_over_time_are_exact(running: Service, activity: ActivityCommand) -> None:
    options = ("--from", "2026-11-01", "--to", "2026-11-02")
    (line,) = activity.lines("query", "--stats", "--interval", "hour", "--json", *options)
    found = json.loads(line)
    assert (found["total"], found["complete"], found["next"]) == (2500, True, None)
    *lines, total = activity.lines("query", "--stats", "--interval", "hour", *options)
    counts = [int(line.split()[2]) for line in lines[1:] if line.startswith("2026")]
    assert sum(counts) == 2500
    assert total.startswith("2,500 in all, from 2026-11-01 00:00:00 to 2026-11-03 00:00:00 UTC")
    written, said = activity.on_terminal("query", "--stats", *options, columns=60)
    assert "█" in written
    assert max(width(_STYLE.sub("", line)) for line in written.splitlines()[:-1]) <= 60
    assert said == ""


def test_groups_add_up_to_the_bars(activity: ActivityCommand) -> None:
    day = ("--from", "2026-11-01", "--to", "2026-11-01", "--interval", "day")
    heading, line, _ = activity.lines("query", "--stats", "--group-by", "component", *day)
    assert heading.split()[2:] == ["EVENTS", "auth", "billing", "支払い", "(other)", "(none)"]
    assert line.split() == ["2026-11-01", "1,440", "480", "480", "480", "0", "0"]


def test_values_are_counted(activity: ActivityCommand) -> None:
    options = ("--to", "2026-11-02", "--field", "component", "--field", "email")
    lines = activity.lines("query", "--facets", *options)
    assert lines[0] == "component: 3 values"
    assert lines[1].split()[::2] == ["834", "auth"]
    assert lines[-2].split()[::2] == ["500", "jo@example.com"]
    assert lines[-1].split(maxsplit=1) == ["2,000", "(no value)"]  # which has no bar
    (line,) = activity.lines("query", "--facets", "--json", "--values", "1", *options)
    assert json.loads(line)["fields"]["component"]["other"] == 2500 - 834


def test_an_event_is_shown_with_its_receipt(running: Service, activity: ActivityCommand) -> None:
    (event,) = running.events(**{"data.n": 1})
    event_id = str(event["id"])
    text = activity.run("get", event_id.upper()).stdout
    shown = dict(line.split(maxsplit=1) for line in text.splitlines() if line[:1].isalpha())
    assert (shown["id"], shown["receipt"]) == (event_id, "stored")
    assert shown["message"] == r"\x1b[31mred\x1b[0m\nsecond line\u202e"
    assert '  "n": 1,\n' in text
    (line,) = activity.lines("get", event_id, "--json")
    assert json.loads(line) == {**event, "receipt": "stored"}


def test_an_event_of_several_lines_keeps_its_digits_on_one(running: Service) -> None:
    """An event that is still queued is answered as it was posted."""
    digits = "12345678901234567890.123456789012345678901234567890"
    body = '{"component":"c","environment":"e","message":"m","data":{\n"n":\r\n' + digits + "}}"
    posted = running.http.post(
        "/events", content=body, headers={"Content-Type": "application/json"}
    ).json()
    command = ActivityCommand(running.url)
    (line,) = command.lines("get", posted["id"], "--json")
    event = json.loads(line, parse_float=Decimal)
    assert (event["receipt"], event["data"]["n"]) == ("queued", Decimal(digits))
    assert digits in command.run("get", posted["id"]).stdout


@pytest.mark.parametrize(
    ("event_id", "status", "said"),
    [
        ("019a9b0c-6d2e-7b43-a1f0-5a3c2f1e0d9b", 1, "No event with this ID was accepted."),
        ("../status", 2, "is not an event ID (a UUID)"),
    ],
)
def test_an_unknown_event_is_told(
    activity: ActivityCommand, event_id: str, status: int, said: str
) -> None:
    ended = activity.run("get", event_id)
    assert (ended.returncode, said in ended.stderr) == (status, True)


def test_a_reader_that_goes_away_ends_the_command_silently(activity: ActivityCommand) -> None:
    process = activity.start("query", "--all", "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(120) == 1
    assert process.stderr.read() == ""
    process.stderr.close()


def test_ctrl_c_ends_it_at_once_with_its_own_status(activity: ActivityCommand) -> None:
    process = activity.start("query", "--all", "--json", errors="replace")
    assert process.stdout is not None
    process.stdout.readline()  # the rest is more than a pipe takes
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert process.communicate()[1] == ""


def test_a_key_is_used_and_its_lack_is_told(servers: TestServers, running: Service) -> None:
    key = new_key(Scope.READ)
    put_on_queue(running.settings, key)
    wait_until(lambda: running.http.get("/events").status_code == 401, "the key to be needed")
    ended = ActivityCommand(running.url).run("query")
    assert (ended.returncode, "ACTIVITY_KEY" in ended.stderr) == (1, True)
    command = ActivityCommand(running.url, ACTIVITY_KEY=key.token)
    assert len(command.lines("query", "--json", "--limit", "2")) == 2
