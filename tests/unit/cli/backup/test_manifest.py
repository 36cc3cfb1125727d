"""The manifest of a backup, as it was written, and after somebody has changed it."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.backup.manifest import NAME, CopiedFile, Manifest, read, write
from cli.errors import BackupUnusable

FILE = {"name": "a", "bytes": 1, "sha256": "00"}


def manifest() -> Manifest:
    return Manifest(
        complete_until="2026-11-29T06:00:00.000+00:00",
        finished_at="2026-11-29T06:00:01.000+00:00",
        activity="0.2.0",
        postgres=18,
        postgres_version="18.6",
        queue_version="9.1.2",
        migration="0009",
        accepted={"0": 5},
        ledger={"0": 4},
        queue_files=[CopiedFile("appendonly.aof.1.incr.aof", 3, "00")],
        postgres_manifest="00",
        wal_files=[CopiedFile("000000010000000000000001", 3, "00")],
    )


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    write(tmp_path, manifest())
    assert read(tmp_path) == manifest()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accepted", []),
        ("accepted", {"zero": 5}),
        ("accepted", {"0": "5"}),
        ("ledger", None),
        ("migration", ["0009"]),
        ("postgres", "18"),
        ("postgres_manifest", 0),
        ("queue_files", "file"),
        ("queue_files", [None]),
        ("queue_files", [{**FILE, "name": 5}]),
        ("wal_files", [{**FILE, "name": "../../etc/passwd"}]),
        ("wal_files", [{**FILE, "name": ".."}]),
        ("wal_files", [{**FILE, "name": ""}]),
        ("wal_files", [{**FILE, "name": "a\0b"}]),
        ("wal_files", [{**FILE, "more": 1}]),
        ("form", 2),
        ("another", 1),
    ],
)
def test_a_changed_manifest_is_refused_before_anything_is_read(
    tmp_path: Path, name: str, value: Any
) -> None:
    write(tmp_path, manifest())
    document = json.loads((tmp_path / NAME).read_text())
    (tmp_path / NAME).write_text(json.dumps({**document, name: value}))
    with pytest.raises(BackupUnusable):
        read(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "null", "[" * 100_000, "\ud800"])
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(BackupUnusable):
        read(tmp_path)
