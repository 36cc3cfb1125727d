"""What `activity status` says to people."""

from typing import Any

import pytest

from cli.status_text import duration, size, status_text

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
        "Backlog        12,345 events wait, 6.2 MiB; the oldest for 3.2 s",
        "Storing        21,500 events a second",
        "Workers        2",
        "Dead letters   0",
        "Accepted       1,234,567 events since 2026-11-01 00:00:00 UTC",
        "In PostgreSQL  1,222,322 accounted for (stored, duplicates, dead letters), 100 of them "
        "about to leave the queue",
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
    assert text.count("unknown") == 10


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.9, "59.9 s"),
        (60, "1 min 0 s"),
        (3_600, "1 h 0 min"),
        (1e6, "11 d 13 h"),
    ],
)
def test_a_duration_is_told_in_its_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (1_023, "1,023 bytes"), (1 << 40, "1,024.0 GiB")]
)
def test_a_size_is_told_in_its_largest_unit(count: int, text: str) -> None:
    assert size(count) == text
