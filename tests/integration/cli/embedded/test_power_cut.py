"""What a power cut leaves at the end of the queue's file costs no write that was answered."""

import mmap
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from cli.embedded import Servers, embedded_servers
from cli.embedded.aof_tail import end_of_commands
from cli.errors import ServerFailed
from testbed.servers import data_folder
from testbed.waiting import wait_until

ZEROS = b"\0" * 512
COMMAND = b"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$5\r\nva\0\0\0\r\n"
EVENTS = 40


@pytest.fixture(scope="module")
def used() -> Iterator[Path]:
    """Return a data folder whose queue was killed after it had answered some writes."""
    with data_folder() as folder:
        with embedded_servers(folder) as servers:
            with redis.Redis.from_url(servers.urls.queue_url) as queue:
                write(queue)
                queue.config_set("aof-timestamp-enabled", "yes")
                write(queue)
                queue.config_set("aof-timestamp-enabled", "no")
            servers.queue.kill()
        yield folder


@pytest.fixture
def data(used: Path) -> Iterator[Path]:
    """Return a copy of it."""
    with data_folder() as folder:
        subprocess.run(["cp", "-a", f"{used}/.", folder], check=True)
        yield folder


def write(queue: redis.Redis) -> None:
    """Streams, transactions, and values that end with zeros, as a file may."""
    for number in range(EVENTS):
        with queue.pipeline(transaction=True) as pipe:
            pipe.xadd("events", {"e": b"%d\0\0\0" % number})
            pipe.incr("accepted")
            pipe.execute()
    queue.set("zeros", b"\0" * 100)


def increment(data: Path) -> Path:
    """Return the file that commands are appended to."""
    (found,) = (data / "queue" / "appendonlydir").glob("*.incr.aof")
    return found


def image(data: Path) -> dict[str, bytes]:
    folder = data / "queue" / "appendonlydir"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def check_whole(servers: Servers) -> None:
    """Every write that was answered is there."""
    with redis.Redis.from_url(servers.urls.queue_url) as queue:
        entries = queue.xrange("events")
        wanted = [b"%d\0\0\0" % number for number in range(EVENTS)] * 2
        assert [fields[b"e"] for _, fields in entries] == wanted
        assert queue.get("accepted") == b"%d" % (2 * EVENTS)
        assert queue.get("zeros") == b"\0" * 100
        assert queue.get("half") is None
        queue.set("later", "goes on")


def cuts_of(command: bytes) -> list[bytes]:
    return [command[:size] for size in range(1, len(command))]


TAILS = {
    "zeros": ZEROS,
    "a_single_zero": b"\0",
    "four_megabytes": b"\0" * (4 << 20),
    "half_a_value": COMMAND[:-5] + ZEROS,
    "half_a_header": b"*3\r\n$3" + ZEROS,
    "half_a_note": b"#TS:17" + ZEROS,
    "half_a_transaction": b"*1\r\n$5\r\nMULTI\r\n" + COMMAND + ZEROS,
}


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_zeros_at_the_end_are_cut_and_kept_and_every_answered_write_is_there(
    tail: bytes, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = increment(data)
    whole = file.stat().st_size
    with file.open("ab") as end:
        end.write(tail)
    with embedded_servers(data) as servers:
        check_whole(servers)
        log = servers.layout.log("queue").read_text()
    (copy,) = (data / "queue").glob("*.cut-at-*")
    cut_at = int(copy.name.rpartition("-")[2])
    assert copy.read_bytes() == (b"x" * whole + tail)[cut_at:]
    for told in (caplog.text, log):
        assert "ended with zero bytes, as after a power cut" in told
        assert f"a copy is in {copy}" in told
    assert copy.stat().st_mode & 0o777 == 0o600
    with embedded_servers(data) as servers, redis.Redis.from_url(servers.urls.queue_url) as queue:
        assert queue.get("later") == b"goes on"  # what was written after that is kept, too


def test_a_file_of_nothing_but_zeros_is_one_to_which_nothing_was_written(data: Path) -> None:
    with embedded_servers(data) as servers, redis.Redis.from_url(servers.urls.queue_url) as queue:
        queue.bgrewriteaof()
        wait_until(lambda: is_rewritten(queue, data), "the file to be rewritten", 60)
        servers.queue.kill()
    increment(data).write_bytes(ZEROS)
    with embedded_servers(data) as servers:
        check_whole(servers)


def is_rewritten(queue: redis.Redis, data: Path) -> bool:
    info: Any = queue.info("persistence")
    return not info["aof_rewrite_in_progress"] and len(list(increments(data))) == 1


def increments(data: Path) -> Iterator[Path]:
    return (data / "queue" / "appendonlydir").glob("*.incr.aof")


def damage_in_the_middle(content: bytes) -> bytes:
    return content[:200] + ZEROS + content[200 + len(ZEROS) :]


def zeros_and_then_more(content: bytes) -> bytes:
    return content + ZEROS + COMMAND


def garbage_before_zeros(content: bytes) -> bytes:
    return content + b"no command" + ZEROS


@pytest.mark.parametrize(
    "damage", [damage_in_the_middle, zeros_and_then_more, garbage_before_zeros]
)
def test_other_damage_is_left_alone_and_the_message_says_what_to_type(
    damage: Callable[[bytes], bytes], data: Path
) -> None:
    file = increment(data)
    file.write_bytes(damage(file.read_bytes()))
    before = image(data)
    with pytest.raises(ServerFailed) as refused, embedded_servers(data):
        pass
    assert image(data) == before
    *_, copy, fix = str(refused.value).splitlines()
    subprocess.run(copy, shell=True, check=True)
    subprocess.run(f"yes | {fix}", shell=True, check=True, capture_output=True)
    with embedded_servers(data) as servers:
        assert servers.queue.is_ready()
    assert (data / "queue" / "appendonlydir.copy" / file.name).read_bytes() == before[file.name]


@pytest.mark.parametrize("left", [None, b"", ZEROS])
def test_without_a_manifest_it_does_not_start_empty_and_says_how_to_write_one(
    left: bytes | None, data: Path
) -> None:
    manifest = data / "queue" / "appendonlydir" / "appendonly.aof.manifest"
    manifest.unlink()
    if left is not None:
        manifest.write_bytes(left)
    before = image(data)
    with pytest.raises(ServerFailed, match="missing or empty") as refused, embedded_servers(data):
        pass
    assert image(data) == before
    command = re.search(r"run: (printf .*)", str(refused.value))
    assert command
    subprocess.run(command[1], shell=True, check=True)
    with embedded_servers(data) as servers:
        check_whole(servers)


@pytest.mark.parametrize("left", [b"", ZEROS, b"no pid\n", b"1\n", b"\xff\xfe\n"])
def test_a_pid_file_that_a_power_cut_left_does_not_prevent_the_start(
    left: bytes, data: Path
) -> None:
    (data / "postgres" / "postmaster.pid").write_bytes(left)
    with embedded_servers(data) as servers:
        check_whole(servers)


def end_of(content: bytes) -> int | None:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            return end_of_commands(mapped)


@pytest.mark.parametrize("half", cuts_of(COMMAND))
def test_wherever_a_command_is_cut_off_only_it_goes_with_the_zeros(half: bytes) -> None:
    assert end_of(COMMAND + half + ZEROS) == len(COMMAND)
    assert end_of(half + ZEROS) == 0


@pytest.mark.parametrize(
    "content",
    [
        COMMAND,
        COMMAND + b"*x\r\n" + ZEROS,
        COMMAND + ZEROS + b"*",
        COMMAND + b"\n" + ZEROS,
        b"*1\r\n$3\r\nSETxx" + ZEROS,
        b"*1\r\n$-1\r\n" + ZEROS,
        b"REDIS0011" + ZEROS,
    ],
)
def test_what_is_no_command_with_zeros_behind_it_is_not_cut(content: bytes) -> None:
    assert end_of(content) is None


def test_a_full_disk_while_the_copy_is_made_changes_nothing(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, os.strerror(28))

    file = increment(data)
    with file.open("ab") as end:
        end.write(ZEROS)
    before = image(data)
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"), embedded_servers(data):
        pass
    assert image(data) == before
