"""Starting on a data folder harms no file outside it, whoever prepared the folder."""

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.embedded import embedded_servers
from cli.embedded.lock import is_held
from cli.errors import CliError, UnsafeFolder
from cli.main import main
from testbed.servers import data_folder
from testbed.waiting import wait_until

ROOT = os.geteuid() == 0
ONLY_ROOT = pytest.mark.skipif(not ROOT, reason="only root can give folders to others")
NOBODY = pwd.getpwnam("nobody")
CONTENT = "not the service's"

FILES = ["lock", "state.writing", "state.json", "state.json.writing", "log/queue.log"]
FILES += ["log/postgres.log", "log/postgres.log.1", "postgres/postmaster.pid"]
FOLDERS = ["run", "log", "postgres", "postgres.making", "queue", "queue.making", "control"]
FOLDERS += ["programs", "joined"]


@pytest.fixture
def parent() -> Iterator[Path]:
    """Return a folder of ours that everybody can reach."""
    with data_folder() as folder:
        yield folder.parent


@pytest.fixture
def foreign(parent: Path) -> Path:
    """Somebody's folder with a file in it."""
    folder = parent / "foreign"
    (folder / "deep").mkdir(parents=True)
    for file in (folder / "precious", folder / "deep" / "precious"):
        file.write_text(CONTENT)
        file.chmod(0o640)
    folder.chmod(0o755)
    return folder


def image(folder: Path) -> list[tuple[str, int, int, int, str]]:
    """All that can be seen of what is there."""
    found = []
    for path in sorted([folder, *folder.rglob("*")]):
        seen = path.lstat()
        content = path.read_text() if path.is_file() else ""
        found.append((str(path), seen.st_mode, seen.st_uid, seen.st_gid, content))
    return found


def start_and_stop(data: Path) -> None:
    """Refused or not, both are right here."""
    try:
        with embedded_servers(data):
            pass
    except CliError:
        pass
    wait_until(lambda: (data / "lock").is_symlink() or not is_held(data / "lock"), "the end", 60)


@pytest.mark.parametrize("name", FILES)
def test_a_link_in_place_of_a_file_leads_to_no_harm(name: str, parent: Path, foreign: Path) -> None:
    link = parent / "data" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(foreign / "precious")
    before = image(foreign)
    start_and_stop(parent / "data")
    assert image(foreign) == before


@pytest.mark.parametrize("name", FOLDERS)
def test_a_link_in_place_of_a_folder_leads_to_no_harm(
    name: str, parent: Path, foreign: Path
) -> None:
    link = parent / "data" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(foreign)
    before = image(foreign)
    start_and_stop(parent / "data")
    assert image(foreign) == before


@pytest.mark.parametrize("name", FILES[:-1])
def test_a_link_that_leads_nowhere_makes_no_file_there(
    name: str, parent: Path, foreign: Path
) -> None:
    link = parent / "data" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(foreign / "new")
    before = image(foreign)
    start_and_stop(parent / "data")
    assert image(foreign) == before


def test_a_pipe_in_place_of_the_lock_is_refused_and_not_waited_for(parent: Path) -> None:
    (parent / "data").mkdir()
    os.mkfifo(parent / "data" / "lock")
    with pytest.raises(CliError, match="lock must be a regular file and not a link"):
        start(parent / "data")


def start(data: Path) -> None:
    with embedded_servers(data):
        pass


@ONLY_ROOT
def test_a_data_folder_of_another_user_is_refused_and_nothing_is_made_in_it(parent: Path) -> None:
    data = parent / "data"
    data.mkdir()
    os.chown(data, NOBODY.pw_uid, NOBODY.pw_gid)
    with pytest.raises(UnsafeFolder, match="belongs to user nobody: run this as that user"):
        start(data)
    assert list(data.iterdir()) == []


@ONLY_ROOT
def test_as_root_a_folder_below_another_users_is_refused(parent: Path) -> None:
    theirs = parent / "theirs"
    theirs.mkdir()
    os.chown(theirs, NOBODY.pw_uid, NOBODY.pw_gid)
    with pytest.raises(UnsafeFolder, match=f"{theirs} belongs to user nobody.*--data-dir"):
        start(theirs / "data")
    assert list(theirs.iterdir()) == []


@pytest.mark.parametrize(("mode", "safe"), [(0o777, False), (0o1777, True), (0o755, True)])
def test_a_folder_where_everybody_may_write_is_refused_unless_it_is_sticky(
    mode: int, safe: bool, parent: Path
) -> None:
    shared = parent / "shared"
    shared.mkdir()
    shared.chmod(mode)
    if safe:
        start(shared / "data")
        assert (shared / "data" / "postgres").is_dir()
    else:
        with pytest.raises(UnsafeFolder, match=f"{shared} can be written to by everybody"):
            start(shared / "data")
        assert list(shared.iterdir()) == []


@ONLY_ROOT
def test_a_link_that_another_user_made_is_not_followed_to_the_data_folder(
    parent: Path, foreign: Path
) -> None:
    shared = parent / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "data").symlink_to(foreign)
    os.lchown(shared / "data", NOBODY.pw_uid, NOBODY.pw_gid)
    before = image(foreign)
    with pytest.raises(UnsafeFolder, match="data belongs to user nobody"):
        start(shared / "data")
    assert image(foreign) == before


def test_a_link_of_ones_own_to_the_data_folder_is_followed(parent: Path) -> None:
    (parent / "real").mkdir()
    (parent / "data").symlink_to("real")
    start(parent / "data")
    assert (parent / "real" / "postgres").is_dir()


@ONLY_ROOT
@pytest.mark.parametrize(
    "command", ["status", "worker", "api --port 0", "migrate", "dead-letters list"]
)
def test_no_command_believes_what_another_users_folder_says(
    command: str, parent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = parent / "data"
    data.mkdir()
    (data / "lock").touch()
    (data / "state.json").write_text("{}")
    os.chown(data, NOBODY.pw_uid, NOBODY.pw_gid)
    assert main([*command.split(), "--data-dir", str(data)]) == 1
    assert "belongs to user nobody" in capsys.readouterr().err


@ONLY_ROOT
def test_root_in_another_users_checkout_gets_a_folder_elsewhere(
    parent: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    os.chown(parent, NOBODY.pw_uid, NOBODY.pw_gid)
    monkeypatch.chdir(parent)
    monkeypatch.delenv("ACTIVITY_DATA_DIR", raising=False)
    assert main(["status"]) == 1
    said = capsys.readouterr().err
    assert "nothing runs on the data folder /var/lib/activity-service/" in said
    (parent / ".data").mkdir()  # made by root once, and anybody's to replace
    assert main(["status"]) == 1
    assert f"another user could replace the data folder {parent / '.data'}" in (
        capsys.readouterr().err
    )


def test_a_folder_for_sockets_elsewhere_is_removed_and_only_that(parent: Path) -> None:
    deep = parent / ("d" * 120)
    with embedded_servers(deep):
        sockets = (deep / "run").readlink()
        assert sockets.is_dir()
    assert not sockets.exists()


def test_what_is_noted_of_sending_goes_through_no_link(parent: Path, foreign: Path) -> None:
    (parent / "events").write_text("{}\n")
    for name in ("checkpoint.lock", "checkpoint.writing"):
        (parent / name).symlink_to(foreign / "precious")
    before = image(foreign)
    options = ["--url", "http://127.0.0.1:9", "--give-up", "0"]
    options += ["--checkpoint", str(parent / "checkpoint"), str(parent / "events")]
    command = [sys.executable, "-m", "cli.main", "send", *options]
    for _ in range(2):  # at the lock first, then past it
        subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert image(foreign) == before
        (parent / "checkpoint.lock").unlink(missing_ok=True)
