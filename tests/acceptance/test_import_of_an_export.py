"""CSV that the service exported comes back as the same events."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from testbed.servers import TestServers
from testbed.service import Service, service
from tests.support.import_files import stored
from tests.support.reading import store
from tests.support.send_command import ImportCommand
from tests.support.statistics import event_at

START = datetime(2026, 10, 25, 1, tzinfo=UTC)
TEXTS = (
    *("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''=1", "'\t", "'a", "''", " =1"),
    *('a "b", c', "two\r\nlines\nand one", "é\U0001f600\u2028", "007", "null"),
)
DATA: tuple[Any, ...] = (
    {"order": {"id": 7, "note": "=1+1"}, "amount": -5.50},
    "=a text",
    "'=another",
    -5,
    None,
    [1, "a"],
)
EVENTS = [
    event_at(
        START + timedelta(minutes=number),
        component="exported",
        message=text,
        environment=text.strip() or "e",
        email="=jo@example.com" if number % 2 else None,
        data=DATA[number % len(DATA)],
        **({"occurred_at": "2026-10-24T00:00:00.000001Z"} if number == 3 else {}),
    )
    for number, text in enumerate(TEXTS)
]


def export(running: Service, **query: str) -> str:
    return running.http.get("/events/export", params={"format": "csv", **query}).text


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ({}, ()),
        (
            {"columns": "created_at,id,data,message,email,environment,component,occurred_at"},
            ("--from-export",),
        ),
    ],
)
def test_an_export_is_imported_as_it_was(
    servers: TestServers, tmp_path: Path, query: dict[str, str], options: tuple[str, ...]
) -> None:
    with servers.fresh() as settings:
        store(settings, EVENTS)
        with service(settings, cache_grace_ms=0) as running:
            before, text = stored(running, "exported", len(EVENTS)), export(running, **query)
    file = tmp_path / "exported.csv"
    file.write_bytes(text.encode())
    with servers.fresh() as settings, service(settings, cache_grace_ms=0) as running:
        importing = ImportCommand(running.url, tmp_path / "state")
        ran = importing.run(file, *options, "--json")
        assert (ran.returncode, json.loads(ran.stdout)["rejected"]) == (0, 0), ran.stderr
        assert stored(running, "exported", len(EVENTS)) == before
        assert export(running, **query) == text


def test_texts_of_other_programs_keep_their_apostrophes(
    servers: TestServers, tmp_path: Path
) -> None:
    file = tmp_path / "foreign.csv"
    head = "created_at,component,environment,message"
    file.write_text(f"{head}\n2020-01-01T00:00:00Z,foreign,e,'=1\n")
    with servers.fresh() as settings, service(settings, cache_grace_ms=0) as running:
        importing = ImportCommand(running.url, tmp_path / "state")
        assert importing.run(file).returncode == 0
        assert [one["message"] for one in stored(running, "foreign", 1)] == ["'=1"]
