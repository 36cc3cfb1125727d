"""The first admin key: made once, by any number of runs, whenever one of them is killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.access.admin_key import ensure_admin_key
from cli.errors import CliError
from cli.main import main
from storage.access import token
from storage.access.api_key import UNKNOWN_TIME, Scope
from storage.access.audit import newest_lines
from storage.settings import StorageSettings
from testbed.servers import environment
from tests.support.access import Homes, homes_of, make_key

NOW = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.fixture
def homes(settings: StorageSettings) -> Iterator[Homes]:
    with homes_of(settings) as found:
        yield found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "admin-key"


def token_in(file: Path) -> str:
    return file.read_text().strip()


def write(file: Path, text: str, mode: int = 0o600) -> str:
    file.write_text(text)
    file.chmod(mode)
    return text


def test_without_a_file_a_key_with_every_scope_is_made(homes: Homes, file: Path) -> None:
    said = ensure_admin_key(homes.table, file, NOW)
    text = token_in(file)
    (key,) = homes.table.load().keys.values()
    assert said == f"made the admin key {key.id}; its token is in {file}"
    assert (key.id, key.digest) == (token.id_of(text), token.digest(text))
    assert (key.name, key.scopes, key.created_at) == ("admin", frozenset(Scope), UNKNOWN_TIME)
    assert file.stat().st_mode & 0o7777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert "is stored already" in ensure_admin_key(homes.table, file, NOW)
    assert homes.table.load().keys == {key.id: key}
    (line,) = newest_lines(homes.engine, UNKNOWN_TIME, 10)
    assert (line.action, line.target) == ("keys import", key.id)
    assert text[13:] not in repr(line) + said


def test_a_token_in_the_file_is_imported(homes: Homes, file: Path) -> None:
    text = write(file, token.new_token(), 0o440)
    assert "imported" in ensure_admin_key(homes.table, file, NOW)
    assert homes.table.load().keys[token.id_of(text)].digest == token.digest(text)
    assert file.read_text() == text


def test_two_homes_that_import_the_file_apart_agree(homes: Homes, file: Path) -> None:
    """Compare with a time of creation of each import: the merge would see a forgery."""
    write(file, token.new_token())
    ensure_admin_key(homes.table, file, NOW)
    homes.queue.merge(homes.table.load().keys)
    with homes.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM api_keys")
    ensure_admin_key(homes.table, file, datetime.now(UTC))
    assert homes.queue.load()[1] == homes.table.load()
    (key,) = homes.table.load().keys.values()
    assert key.merge(homes.queue.load()[1].keys[key.id]).is_valid_at(NOW)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "not a token: expected act_"),
        ("secret-of-mine", "not a token: expected act_"),
        (token.new_token()[:-1] + "!", "not a token"),
        (token.new_token()[::-1], "not a token"),
        ("act_0aZ9bY8x_" + "x" * 38, "its checksum differs"),
        ("ünïcode", "not a token"),
        (token.new_token() + "\n" + token.new_token(), "not a token"),
        ("x" * 100_000, "not a token"),
    ],
    ids=["empty", "word", "last", "reversed", "checksum", "letters", "two", "long"],
)
def test_a_file_without_a_token_is_refused_and_not_shown(
    homes: Homes, file: Path, text: str, told: str
) -> None:
    write(file, text)
    with pytest.raises(CliError, match=told) as refused:
        ensure_admin_key(homes.table, file, NOW)
    assert not text or text[:20] not in str(refused.value)
    assert str(file) in str(refused.value)
    assert homes.table.load().keys == {}


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o602, 0o666, 0o601])
def test_a_file_that_others_may_read_or_replace_is_refused(
    homes: Homes, file: Path, mode: int
) -> None:
    text = write(file, token.new_token(), mode)
    with pytest.raises(CliError, match="chmod 600") as refused:
        ensure_admin_key(homes.table, file, NOW)
    assert text[:13] not in str(refused.value)
    assert homes.table.load().keys == {}


def test_a_link_to_the_file_is_followed_as_kubernetes_mounts_secrets(
    homes: Homes, file: Path
) -> None:
    text = write(file.with_name("..data"), token.new_token(), 0o440)
    file.symlink_to("..data")
    assert "imported" in ensure_admin_key(homes.table, file, NOW)
    assert homes.table.load().keys.keys() == {token.id_of(text)}


def test_what_is_no_file_is_refused(homes: Homes, file: Path) -> None:
    file.symlink_to("nothing")
    with pytest.raises(CliError, match="a link to nothing"):
        ensure_admin_key(homes.table, file, NOW)
    file.unlink()
    os.mkfifo(file, 0o600)
    with pytest.raises(CliError, match="is not a file"):
        ensure_admin_key(homes.table, file, NOW)
    file.unlink()
    file.mkdir()
    with pytest.raises(CliError, match="is not a file"):
        ensure_admin_key(homes.table, file, NOW)
    with pytest.raises(FileNotFoundError):
        ensure_admin_key(homes.table, file.with_name("no folder") / "key", NOW)
    assert homes.table.load().keys == {}


def test_a_key_that_was_revoked_stays_revoked(homes: Homes, file: Path) -> None:
    ensure_admin_key(homes.table, file, NOW)
    (key,) = homes.table.load().keys.values()
    homes.table.merge({key.id: key.revoked(NOW)})
    assert "has ended; delete the file" in ensure_admin_key(homes.table, file, NOW)
    assert homes.table.load().keys == {key.id: key.revoked(NOW)}
    file.unlink()
    assert "made" in ensure_admin_key(homes.table, file, NOW)
    assert len(homes.table.load().keys) == 2


def test_no_second_admin_key_is_made_when_the_file_was_put_away(homes: Homes, file: Path) -> None:
    key = make_key("mine", scopes=frozenset({Scope.ADMIN}))
    homes.table.merge({key.id: key})
    said = ensure_admin_key(homes.table, file, NOW)
    assert said == f"there is no file {file}; none was made, as {key.id} is an admin key"
    assert not file.exists()


@pytest.mark.parametrize("step", ["written", "linked", "storing"])
def test_a_run_that_is_killed_is_repeated_by_the_next(
    settings: StorageSettings, homes: Homes, file: Path, step: str
) -> None:
    kill = {
        "written": "admin_key.os.link = die",
        "linked": "admin_key.sync_folder = die",
        "storing": "admin_key._store = die",
    }[step]
    code = f"""
        import os, signal
        from cli.access import admin_key
        from cli.main import main
        def die(*arguments): os.kill(os.getpid(), signal.SIGKILL)
        {kill}
        main(["migrate"])
    """.replace("\n        ", "\n")
    env = environment(settings, admin_key_file=file)
    killed = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert homes.table.load().keys == {}
    before = token_in(file) if file.exists() else None
    assert (before is None) is (step == "written")
    again = subprocess.run(
        [sys.executable, "-m", "cli.main", "migrate"], env=env, capture_output=True, text=True
    )
    assert again.returncode == 0
    (key,) = homes.table.load().keys.values()
    assert token.digest(token_in(file)) == key.digest
    assert before in (None, token_in(file))
    assert f"{'made' if before is None else 'imported'} the admin key {key.id}" in again.stderr
    assert token_in(file)[13:] not in again.stderr + again.stdout


def test_runs_at_once_make_one_key(settings: StorageSettings, homes: Homes, file: Path) -> None:
    env = environment(settings, admin_key_file=file)
    command = [sys.executable, "-m", "cli.main", "migrate"]
    runs = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE) for _ in range(6)]
    said = [run.communicate()[1].decode() for run in runs]
    assert [run.returncode for run in runs] == [0] * 6, said
    (key,) = homes.table.load().keys.values()
    assert token.digest(token_in(file)) == key.digest
    assert all(key.id in each for each in said)
    assert len(newest_lines(homes.engine, UNKNOWN_TIME, 10)) == 1
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_another_run_that_makes_the_file_first_wins(
    homes: Homes, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = token.new_token()
    link: Callable[..., None] = os.link

    def beaten(*paths: Path) -> None:
        write(file, text)
        link(*paths)

    monkeypatch.setattr(os, "link", beaten)
    assert f"imported the admin key {token.id_of(text)}" in ensure_admin_key(homes.table, file, NOW)
    assert token_in(file) == text


def test_migrating_without_the_setting_makes_no_key(
    settings: StorageSettings,
    homes: Homes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: Path,
) -> None:
    monkeypatch.setenv("ACTIVITY_DATABASE_URL", settings.database_url)
    assert main(["migrate", "--json"]) == 0
    assert homes.table.load().keys == {}
    monkeypatch.setenv("ACTIVITY_ADMIN_KEY_FILE", str(file))
    capsys.readouterr()
    assert main(["migrate", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out).keys() == {"from", "to"}
    assert "made the admin key" in said.err
