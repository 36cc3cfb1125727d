"""The copy of the queue's files: whole at one moment, whatever the queue does meanwhile."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
import redis

from cli.backup import aof_copy
from cli.backup.aof_copy import open_files
from cli.backup.manifest import CopiedFile
from cli.embedded import Servers, embedded_servers
from cli.embedded.aof_folder import FOLDER, MANIFEST, AofFolder
from cli.errors import BackupFailed
from testbed.waiting import wait_until
from tests.support.data_folders import reachable_folder
from tests.support.embedded_runs import client


@pytest.fixture
def parent() -> Iterator[Path]:
    with reachable_folder() as folder:
        yield folder


def rewrite(queue: redis.Redis) -> None:
    """Let the queue replace all its files."""
    before = queue.info("persistence")["aof_rewrites"]
    queue.bgrewriteaof()
    wait_until(
        lambda: (
            queue.info("persistence")["aof_rewrites"] > before
            and not queue.info("persistence")["aof_rewrite_in_progress"]
        ),
        "the rewrite",
        60,
    )


def aof(servers: Servers) -> AofFolder:
    return AofFolder(servers.queue.folder)


@contextmanager
def servers_with(copy: Path, data: Path) -> Iterator[Servers]:
    """Run servers whose queue begins with a copy of its files."""
    with embedded_servers(data):
        pass
    owner, files = (data / "queue").stat(), data / "queue" / FOLDER
    files.rename(data / "before")
    (copy / FOLDER).rename(files)
    for each in (files, *files.iterdir()):
        os.chown(each, owner.st_uid, owner.st_gid)
    with embedded_servers(data) as servers:
        yield servers


def test_a_rewrite_in_the_middle_of_the_copy_takes_nothing_away(parent: Path) -> None:
    data, copy = parent / "data", parent / "copy"
    with embedded_servers(data) as servers, client(servers.urls.queue_url) as queue:
        queue.set("first", "1")
        rewrite(queue)  # so that there is a base file
        queue.set("second", "2")
        with open_files(aof(servers)) as files:
            queue.set("third", "3")
            names = {name for name, _ in files.files}
            rewrite(queue)
            rewrite(queue)
            assert not any((servers.queue.folder / FOLDER / name).exists() for name in names)
            copied = files.copy_to(copy)
        assert {each.name for each in copied} == {*names, MANIFEST}
    with (
        servers_with(copy, parent / "other") as servers,
        client(servers.urls.queue_url) as queue,
    ):
        assert queue.mget("first", "second") == ["1", "2"]


def test_each_file_is_copied_whole_though_a_rewrite_comes_before_its_turn(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure lets the queue rewrite its files at any moment of a backup."""
    data, copy = parent / "data", parent / "copy"
    turns: list[str] = []
    one_by_one = aof_copy._copy
    with embedded_servers(data) as servers, client(servers.urls.queue_url) as queue:
        queue.set("first", "1")
        rewrite(queue)
        queue.set("second", "2")

        def after_a_rewrite(source: BinaryIO, target: Path) -> CopiedFile:
            queue.set(f"later {len(turns)}", "3")
            rewrite(queue)
            turns.append(target.name)
            return one_by_one(source, target)

        monkeypatch.setattr(aof_copy, "_copy", after_a_rewrite)
        with open_files(aof(servers)) as files:
            files.copy_to(copy)
    assert len(turns) == 2  # what the rewrite made, and what came since
    with (
        servers_with(copy, parent / "other") as servers,
        client(servers.urls.queue_url) as queue,
    ):
        assert queue.mget("first", "second") == ["1", "2"]


def test_a_copy_that_begins_while_a_rewrite_is_under_way_has_everything(parent: Path) -> None:
    data, copy = parent / "data", parent / "copy"
    with embedded_servers(data) as servers, client(servers.urls.queue_url) as queue:
        queue.set("first", "1")
        queue.config_set("rdb-key-save-delay", 600_000_000)  # microseconds for each key
        queue.bgrewriteaof()
        wait_until(
            lambda: queue.info("persistence")["aof_rewrite_in_progress"], "the rewrite to begin", 60
        )
        queue.set("second", "2")
        with open_files(aof(servers)) as files:
            files.copy_to(copy)
        assert queue.info("persistence")["aof_rewrite_in_progress"]
        assert len(files.files) == 2  # of before the rewrite, and of since
    with (
        servers_with(copy, parent / "other") as servers,
        client(servers.urls.queue_url) as queue,
    ):
        assert queue.mget("first", "second") == ["1", "2"]


def test_the_settings_of_the_queue_are_as_they_were(parent: Path) -> None:
    """A killed backup can leave nothing switched off: it switches nothing off."""
    with embedded_servers(parent / "data") as servers, client(servers.urls.queue_url) as queue:
        before = queue.config_get("*")
        with open_files(aof(servers)) as files:
            assert queue.config_get("*") == before
            files.copy_to(parent / "copy")
        assert queue.config_get("*") == before


def test_files_that_change_while_they_are_opened_are_opened_again(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[bytes] = []
    read = aof_copy._read

    with embedded_servers(parent / "data") as servers, client(servers.urls.queue_url) as queue:

        def reading(folder: AofFolder) -> bytes:
            found = read(folder)
            reads.append(found)
            if len(reads) == 1:
                rewrite(queue)
            return found

        monkeypatch.setattr(aof_copy, "_read", reading)
        with open_files(aof(servers)) as files:
            assert files.manifest == read(aof(servers))
    assert len(reads) >= 3
    assert reads[0] != reads[-1]


def test_files_that_always_change_end_the_backup(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = iter(range(10_000))
    lines = "file appendonly.aof.1.incr.aof seq 1 type i\n#{}\n"
    monkeypatch.setattr(aof_copy, "_read", lambda _: lines.format(next(count)).encode())
    monkeypatch.setattr(aof_copy, "_PAUSE_SECONDS", 0)
    with (
        embedded_servers(parent / "data") as servers,
        pytest.raises(BackupFailed, match="again"),
        open_files(aof(servers)),
    ):
        pass
