"""What `activity status` says to people."""

from typing import Any

from cli.status_text import status_text

SERVICE: dict[str, Any] = {
    "status": "ok",
    "attention": [],
    "backlog": 12_345,
    "backlog_bytes": 6_543_210,
    "lag_seconds": 3.24,
    "stored_per_second": 21_500.4,
    "workers": 2,
    "dead_letters": 0,
    "conservation": {
        "balanced": True,
        "accepted": 1_234_567,
        "trimmed": 1_222_222,
        "backlog": 12_345,
        "queue_unaccounted": 0,
        "accounted": 1_222_322,
        "untrimmed": 100,
        "since": "2026-11-01T00:00:00Z",
    },
    "version": "1.2.3",
    "uptime_seconds": 11_530.0,
}
PROCESSES = [("supervisor", 10), ("api", 1_000_000)]


def said(**changes: Any) -> list[str]:
    return status_text("http://x", {**SERVICE, **changes}, PROCESSES, "1.2.3").splitlines()


def test_the_verdict_comes_first_and_figures_are_readable() -> None:
    assert said() == [
        "OK: every accepted event is accounted for",
        "http://x, version 1.2.3, up 3 h 12 min",
        "",
        "Backlog        12,345 events, 6.2 MiB; the oldest has waited 3.2 s",
        "Storing        21,500 events a second",
        "Workers        2",
        "Dead letters   0",
        "Accepted       1,234,567 events since 2026-11-01 00:00:00 UTC",
        "In PostgreSQL  1,222,322 events: stored, duplicates, dead letters and erased; 100 of them "
        "not yet removed from the queue",
        "Balance        every event is accounted for",
        "",
        "Processes",
        "  supervisor           10",
        "  api             1000000",
    ]


def test_what_needs_a_look_follows_the_verdict() -> None:
    lines = said(status="attention", attention=["shard 3 waits: no disk", "no worker runs"])
    assert lines[:3] == [
        "ATTENTION: 2 things to look at",
        "  ! shard 3 waits: no disk",
        "  ! no worker runs",
    ]


def test_a_figure_that_can_not_be_asked_for_is_unknown_and_never_zero() -> None:
    nothing = dict.fromkeys(SERVICE)
    lines = said(**{**nothing, "status": "attention", "attention": ["the queue can't be asked"]})
    text = "\n".join(lines[2:])
    assert text.startswith("http://x, version unknown (this command: 1.2.3), up unknown")
    assert "Backlog        unknown\nStoring        unknown\n" in text
    assert "0" not in text.partition("Processes")[0]
    assert text.count("unknown") == 9


def test_each_standby_has_a_row_that_says_where_readers_go() -> None:
    states = {
        "reading": "Standby        db:1: readers use it, 0 bytes (0.0 s) behind",
        "behind": "Standby        db:1: readers use the primary, 2.0 KiB (5.0 s) behind",
        "away": "Standby        db:1: can't be used, readers use the primary",
        "unknown": "Standby        db:1: readers use the primary: it is unknown which commits it "
        "must have",
    }
    lags = {"reading": (0, 0.0), "behind": (2048, 5.0)}
    for state, row in states.items():
        behind, seconds = lags.get(state, (None, None))
        one = {"name": "db:1", "state": state, "lag_bytes": behind, "lag_seconds": seconds}
        assert said(standbys=[one])[6] == row


def test_one_event_is_not_told_in_the_plural() -> None:
    accounts = {**SERVICE["conservation"], "accepted": 1, "accounted": 1, "untrimmed": 0}
    lines = said(backlog=1, backlog_bytes=1, lag_seconds=1, stored_per_second=1.2,
                 conservation=accounts)  # fmt: skip
    assert lines[3:9] == [
        "Backlog        1 event, 1 byte; the oldest has waited 1.0 s",
        "Storing        1 event a second",
        "Workers        2",
        "Dead letters   0",
        "Accepted       1 event since 2026-11-01 00:00:00 UTC",
        "In PostgreSQL  1 event: stored, duplicates, dead letters and erased",
    ]
    assert said(attention=["no worker runs"])[0] == "ATTENTION: 1 thing to look at"
