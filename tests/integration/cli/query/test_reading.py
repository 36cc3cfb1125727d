"""What `activity query` does when a service is busy, away, cut off or another one."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.activity_command import ActivityCommand
from tests.support.scripted_reads import Reply, scripted_reads

ID = "019a9b0c-6d2e-7b43-a1f0-5a3c2f1e0d9b"
EVENT = {
    "id": ID,
    "created_at": "2026-11-24T08:00:00.000Z",
    "component": "c",
    "environment": "e",
    "message": "m",
    "email": None,
    "data": None,
}
PAGE = Reply({"events": [EVENT], "next_cursor": None})
BUSY = Reply({"status": 503, "detail": "busy"}, 503, {"Retry-After": "0"})


def counts(start: str, total: int, **more: Any) -> Reply:
    bar = {"at": start, "count": total, "groups": None}
    window = {"from": start, "to": "2026-11-03T00:00:00Z"}
    body = {"from": "2026-11-01T00:00:00Z", "to": window["to"], "interval": "day", "total": total}
    return Reply({**body, "complete": False, "covered": window, "bars": [bar], "next": "n", **more})


@pytest.mark.parametrize(
    "first",
    [
        BUSY,
        Reply({"detail": "slow down"}, 429, {"Retry-After": "0"}),
        Reply("<html>", 502),
        Reply({"events": [EVENT], "next_cursor": None}, cut=True),
    ],
    ids=["busy", "limited", "proxy", "cut off"],
)
def test_what_passes_is_waited_for(first: Reply) -> None:
    with scripted_reads(first, first, PAGE) as reads:
        ended = ActivityCommand(reads.url).run("query", "--json")
        assert (ended.returncode, len(reads.asked)) == (0, 3)
    assert [json.loads(line) for line in ended.stdout.splitlines()] == [EVENT]
    assert ended.stderr.count("waiting for the service: ") == 1


def test_waiting_has_a_bound() -> None:
    later = Reply({"detail": "busy"}, 503, {"Retry-After": "100"})
    with scripted_reads(later) as reads:
        ended = ActivityCommand(reads.url).run("query", "--give-up", "50")
        assert len(reads.asked) == 1  # it would be too late
    assert ended.returncode == 1
    assert (
        ended.stderr == "activity: error: gave up after 50 s without an answer: answer 503: busy\n"
    )


def test_a_query_that_takes_too_long_is_not_repeated() -> None:
    with scripted_reads(Reply({"detail": "Narrow it."}, 503)) as reads:
        ended = ActivityCommand(reads.url).run("query")
        assert len(reads.asked) == 1
    assert (ended.returncode, "answer 503: Narrow it." in ended.stderr) == (1, True)


@pytest.mark.parametrize(
    ("reply", "status", "said"),
    [
        (Reply({"detail": "No key."}, 401), 1, "ACTIVITY_KEY"),
        (Reply({"detail": "No scope."}, 403), 1, "No scope."),
        (Reply("<html>", 404), 1, "is it an Activity Service of this version?"),
        (Reply({}, 302, {"Location": "/login"}), 1, "answer 302"),
        (Reply({"errors": [{"parameter": "limit", "detail": "is bad"}]}, 422), 2, "limit is bad"),
    ],
)
def test_a_refusal_is_told_with_the_remedy(reply: Reply, status: int, said: str) -> None:
    with scripted_reads(reply) as reads:
        ended = ActivityCommand(reads.url).run("query")
        assert len(reads.asked) == 1
    assert ended.returncode == status
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_nothing_that_a_service_says_reaches_the_terminal_as_a_control_character() -> None:
    hostile = "\x1b]0;title\x07\u202e"
    fault = {"parameter": "q", "detail": f"q{hostile}", "excerpt": f"{hostile}\n ^"}
    for reply in (Reply({"errors": [fault]}, 422), Reply({"detail": hostile}, 401)):
        with scripted_reads(reply) as reads:
            said = ActivityCommand(reads.url).run("query").stderr
        assert "\x1b" not in said
        assert "\u202e" not in said
        assert r"\x1b]0;title\x07\u202e" in said


def test_a_service_that_is_not_there_is_told_at_once_or_waited_for() -> None:
    with scripted_reads(PAGE) as reads:
        url = reads.url
    ended = ActivityCommand(url).run("query")
    assert (ended.returncode, "waiting" in ended.stderr) == (1, False)
    assert f"the address is {url} (--url, ACTIVITY_URL)" in ended.stderr
    ended = ActivityCommand(url).run("query", "--give-up", "0.5")
    assert "gave up after 0.5 s without an answer" in ended.stderr
    assert "waiting for the service: Connection refused" in ended.stderr


def test_counts_are_added_up_until_they_are_complete() -> None:
    parts = (
        counts("2026-11-02T00:00:00Z", 3),
        counts("2026-11-01T00:00:00Z", 4, next=None, complete=True),
    )
    with scripted_reads(*parts) as reads:
        ended = ActivityCommand(reads.url).run("query", "--stats", "--json", "--interval", "day")
        assert reads.asked == ["/events/stats?interval=day", "/events/stats?interval=day&next=n"]
    found = json.loads(ended.stdout)
    assert (found["total"], found["complete"], found["next"]) == (7, True, None)
    assert found["covered"] == {"from": "2026-11-01T00:00:00Z", "to": "2026-11-03T00:00:00Z"}
    assert [(bar["at"], bar["count"]) for bar in found["bars"]] == [
        ("2026-11-01T00:00:00Z", 4),
        ("2026-11-02T00:00:00Z", 3),
    ]


def test_groups_are_added_up_by_their_values() -> None:
    def part(at: str, next_: str | None, **values: int) -> Reply:
        named = [{"value": value, "count": count} for value, count in values.items()]
        total = sum(values.values()) + 3
        bar = {"at": at, "count": total, "groups": {"values": named, "other": 1, "missing": 2}}
        return counts(at, total, bars=[bar], next=next_, complete=next_ is None)

    first, second = (
        part("2026-11-02T00:00:00Z", "n", a=1, b=5),
        part("2026-11-02T00:00:00Z", None, a=9),
    )
    with scripted_reads(first, second) as reads:
        (line,) = ActivityCommand(reads.url).lines("query", "--stats", "--json", "--group-by", "x")
    (bar,) = json.loads(line)["bars"]
    assert bar["count"] == 21
    assert bar["groups"] == {
        "values": [{"value": "a", "count": 10}, {"value": "b", "count": 5}],
        "other": 2,
        "missing": 4,
    }


@pytest.mark.parametrize("options", [["--once"], []], ids=["once", "lost"])
def test_counts_that_are_not_complete_are_said_to_be_so(options: list[str]) -> None:
    failing = Reply({"detail": "busy"}, 503, {"Retry-After": "500"})
    with scripted_reads(counts("2026-11-02T00:00:00Z", 3), failing) as reads:
        command = ActivityCommand(reads.url)
        ended = command.run("query", "--stats", *options)
    assert ended.returncode == (0 if options else 1)
    assert "NOT YET COMPLETE: this counts the events from 2026-11-02T00:00:00Z" in ended.stdout
    assert ("gave up" in ended.stderr) == (not options)


def facets(start: str, count: int, complete: bool = False) -> Reply:
    values = [{"value": "a", "count": count}]
    field = {"values": values, "other": 0, "missing": 0, "distinct": 1 if complete else None}
    covered = {"from": start, "to": "2026-11-03T00:00:00Z"}
    return Reply({"complete": complete, "covered": covered, "fields": {"component": field}})


def test_facets_are_asked_for_again_while_they_grow() -> None:
    parts = [facets(f"2026-11-0{day}T00:00:00Z", 4 - day) for day in (2, 1)]
    with scripted_reads(*parts, facets("2026-10-30T00:00:00Z", 9, complete=True)) as reads:
        lines = ActivityCommand(reads.url).lines("query", "--facets", "--field", "component")
        assert len(reads.asked) == 3
    assert lines[0] == "component: 1 value"
    assert lines[1].split()[::2] == ["9", "a"]
    assert len(lines) == 2


def test_facets_that_do_not_grow_are_said_not_to_be_complete() -> None:
    with scripted_reads(facets("2026-11-02T00:00:00Z", 2)) as reads:
        *_, last = ActivityCommand(reads.url).lines("query", "--facets")
        assert len(reads.asked) == 2
    assert last.startswith("NOT YET COMPLETE: this counts the events from 2026-11-02T00:00:00Z")


def test_a_place_in_another_history_is_told_with_the_remedy(tmp_path: Path) -> None:
    gone = Reply({"detail": "The feed was replaced."}, 410)
    token = tmp_path / "token"
    with scripted_reads(Reply({"events": [], "next": "t1", "behind": 0}), gone) as reads:
        command = ActivityCommand(reads.url)
        assert command.run("query", "--since", token).returncode == 0
        kept = token.read_bytes()
        ended = command.run("query", "--since", token, "--json")
        assert reads.asked == [
            "/events/changes?after=start&wait=0",
            "/events/changes?after=t1&wait=0",
        ]
    assert (ended.returncode, ended.stdout, token.read_bytes()) == (1, "", kept)
    assert "answer 410: The feed was replaced.; to begin with everything" in ended.stderr


def test_an_export_goes_on_while_more_is_left_though_nothing_matched(tmp_path: Path) -> None:
    parts = [Reply({"events": [], "next": f"t{left}", "behind": left}) for left in (2, 1)]
    last = Reply({"events": [EVENT], "next": "t0", "behind": 0})
    with scripted_reads(*parts, last) as reads:
        (line,) = ActivityCommand(reads.url).lines("query", "--since", tmp_path / "token")
        assert len(reads.asked) == 3
    assert json.loads(line) == EVENT
    assert json.loads((tmp_path / "token").read_text())["token"] == "t0"


def test_a_full_disk_leaves_the_place_where_it_was(tmp_path: Path) -> None:
    changes = Reply({"events": [EVENT], "next": "t0", "behind": 0})
    with scripted_reads(changes) as reads, open("/dev/full", "w") as full:
        command = ActivityCommand(reads.url)
        process = command.start("query", "--since", tmp_path / "token", stdout=full)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert said == "activity: error: No space left on device\n"
    assert not (tmp_path / "token").exists()
