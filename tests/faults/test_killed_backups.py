"""Kill a backup and a restore at each step: no half of one is ever taken for a whole."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.backup import manifest
from cli.backup.restore import checked_backup, restore_backup
from cli.embedded.lock import is_held
from cli.errors import BackupUnusable
from testbed.waiting import wait_until
from tests.acceptance.test_backup import activity, document, load, stored_ids
from tests.acceptance.test_up import ROOT, environment, status, up
from tests.support.data_folders import reachable_folder

# Runs a command, and sends its process the signal as it enters the function that is named.
SIGNALLED_AT = """
    import importlib, os, signal, sys
    number, (module, _, name) = int(sys.argv[1]), sys.argv[2].rpartition(".")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` ignores it
    def kill(*arguments, **options):
        os.kill(os.getpid(), number)
    setattr(importlib.import_module(module), name, kill)
    from cli.main import main
    sys.exit(main(sys.argv[3:]))
"""
BACKUP_STEPS = [
    "cli.backup.take._ask_queue",
    "cli.backup.aof_copy._copy",
    "cli.backup.aof_copy.sync_folder",
    "cli.backup.take.copy_cluster",
    "cli.backup.cluster_copy.hash_of",
    "cli.backup.take.require_whole_cluster",
    "cli.backup.take.write",
    "cli.backup.manifest.replace_file",
]
RESTORE_STEPS = [
    "cli.backup.restore._clear",
    "cli.backup.restore._copy",
    "cli.backup.copying.sync_folder",
    "cli.backup.restore._agree",
    "storage.feed.identity.renew",
    "storage.queue.counters.continue_ids",
    "worker.emptying.empty_shards",
    "storage.queue.counters.forget_idempotency_keys",
    "storage.queue.counters.agree_with_ledger",
    "cli.embedded.servers.remove_run_folder",
]


@pytest.fixture(scope="module")
def folders() -> Iterator[Path]:
    with reachable_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def source(folders: Path) -> Iterator[Path]:
    """Run a service that has stored some events."""
    data = folders / "source"
    with up(data) as (_, client):
        with load(client.base_url):
            pass
        wait_until(lambda: client.get("/status").json()["backlog"] == 0, "all to be stored", 60)
        yield data
    wait_until(lambda: not is_held(data / "lock"), "the last process to be gone")


@pytest.fixture(scope="module")
def backup(folders: Path, source: Path) -> Path:
    document("backup", folders / "backup", "--data-dir", source)
    return folders / "backup"


def run_signalled(
    number: signal.Signals, step: str, *arguments: object
) -> subprocess.CompletedProcess[str]:
    code = textwrap.dedent(SIGNALLED_AT)
    return subprocess.run(
        [sys.executable, "-c", code, str(int(number)), step, *map(str, arguments)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )


def run_killed(step: str, *arguments: object) -> None:
    ended = run_signalled(signal.SIGKILL, step, *arguments)
    assert ended.returncode == -signal.SIGKILL, ended.stdout + ended.stderr


@pytest.mark.parametrize("step", BACKUP_STEPS)
def test_a_killed_backup_is_no_backup_and_harms_no_service(
    folders: Path, source: Path, step: str
) -> None:
    killed, data = folders / f"killed at {step}", folders / "never"
    run_killed(step, "backup", killed, "--data-dir", source)
    with pytest.raises(BackupUnusable, match="not finished"):
        checked_backup(killed)
    refused = activity("restore", killed, "--data-dir", data)
    assert (refused.returncode, "not finished" in refused.stderr) == (1, True)
    assert not data.exists()
    found: Any = status(source)["service"]
    assert (found["status"], found["conservation"]["balanced"]) == ("ok", True)


@pytest.mark.parametrize("step", RESTORE_STEPS)
def test_a_killed_restore_is_refused_and_begins_anew(
    folders: Path, source: Path, backup: Path, step: str
) -> None:
    data = folders / f"restored {step}"
    image = image_of(backup)
    run_killed(step, "restore", backup, "--data-dir", data)
    wait_until(lambda: not is_held(data / "lock"), "the servers of the killed restore to be gone")
    refused = activity("up", "--port", "0", "--data-dir", data)
    assert refused.returncode == 1
    assert "`activity restore` was interrupted" in refused.stderr
    done = document("restore", backup, "--data-dir", data)
    assert (done["missing"], done["waiting"]) == (0, {})
    assert image_of(backup) == image, "the backup stays as it was"
    assert not (data / "unfinished").exists()


@pytest.mark.parametrize("step", ["cli.backup.aof_copy._copy", "cli.backup.take.write"])
def test_an_interrupted_backup_leaves_nothing_and_says_so(
    folders: Path, source: Path, step: str
) -> None:
    target = folders / f"interrupted at {step}"
    ended = run_signalled(signal.SIGINT, step, "backup", target, "--data-dir", source)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr == f"activity: interrupted; what was written to {target} is removed\n"
    assert not target.exists()


@pytest.mark.parametrize(
    ("step", "state"),
    [
        ("cli.backup.restore._copy", "without its changes"),
        ("worker.emptying.empty_shards", "not whole: run `activity restore` again"),
    ],
)
def test_an_interrupted_restore_says_what_is_left(
    folders: Path, backup: Path, step: str, state: str
) -> None:
    data = folders / f"interrupted at {step}"
    ended = run_signalled(signal.SIGINT, step, "restore", backup, "--data-dir", data)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr == f"activity: interrupted; the data folder {data} is {state}\n"
    wait_until(lambda: not is_held(data / "lock"), "its servers to be gone")
    assert document("restore", backup, "--data-dir", data)["missing"] == 0


def test_what_is_restored_after_a_kill_is_whole(folders: Path, source: Path, backup: Path) -> None:
    data = folders / "restored and used"
    run_killed("storage.queue.counters.agree_with_ledger", "restore", backup, "--data-dir", data)
    wait_until(lambda: not is_held(data / "lock"), "the servers of the killed restore to be gone")
    document("restore", backup, "--data-dir", data)
    with up(data) as (_, client):
        assert sorted(stored_ids(data)) == sorted(stored_ids(source))
        assert client.get("/status").json()["conservation"]["balanced"] is True


def image_of(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (found.st_size, found.st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if (found := path.lstat())
    }


def change_last_byte(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [change_last_byte, remove])
@pytest.mark.parametrize(
    "file",
    [
        "queue/appendonlydir/*.incr.aof",
        "queue/appendonlydir/*.manifest",
        "postgres/backup_manifest",
        "postgres/base/1/1259",
        "postgres/pg_wal/0*",
    ],
)
def test_a_damaged_backup_is_refused_before_anything_is_changed(
    folders: Path, backup: Path, tmp_path: Path, file: str, damage: Any
) -> None:
    copy, data = tmp_path / "copy", folders / "never"
    subprocess.run(["cp", "-a", backup, copy], check=True)
    damage(next(copy.glob(file)))
    with pytest.raises(BackupUnusable):
        restore_backup(copy, data)
    assert not data.exists()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("postgres", 11, "is of PostgreSQL 11"),
        ("migration", "9999", "of a later release"),
        ("form", 99, "another form"),
    ],
)
def test_a_backup_of_another_version_is_refused_with_the_remedy(
    folders: Path, backup: Path, tmp_path: Path, field: str, value: object, said: str
) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", backup, copy], check=True)
    document = json.loads((copy / manifest.NAME).read_text())
    (copy / manifest.NAME).write_text(json.dumps({**document, field: value}))
    with pytest.raises(BackupUnusable, match=said):
        restore_backup(copy, folders / "never")
    assert not (folders / "never").exists()


def without_look_ahead(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command as if the disk had been filled by others after it had looked for room."""
    code = (
        "import sys; from cli.backup import restore, take; "
        "take.require_room = restore.require_room = lambda *_: None; "
        "from cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir(mode=0o711)
    options = "size=12m,mode=0711"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file system")
def test_a_full_disk_ends_the_restore_and_is_free_again(folders: Path, backup: Path) -> None:
    with small_disk(folders / "for the restore") as small:
        full = without_look_ahead("restore", backup, "--data-dir", small / "data")
        assert (full.returncode, "No space left on device" in full.stderr) == (1, True)
        left = sorted(path.name for path in (small / "data").iterdir())
        assert left == ["lock", "log"], "what was written is removed"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file system")
def test_a_full_disk_ends_the_backup_and_says_so(folders: Path, source: Path) -> None:
    with small_disk(folders / "small") as small:
        (small / "mine").mkdir()
        for target in (small / "new/early", small / "mine"):
            early = activity("backup", target, "--data-dir", source)
            assert "has too little room" in early.stderr
            late = without_look_ahead("backup", target, "--data-dir", source)
            assert (late.returncode, "No space left on device" in late.stderr) == (1, True)
        assert list(small.rglob("*")) == [small / "mine"], "what was made is removed"
    assert status(source)["service"]["status"] == "ok"  # type: ignore[index]
