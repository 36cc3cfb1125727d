"""One rule says which service a command speaks to; a misspelt variable is told of."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import state
from cli.embedded.lock import folder_lock
from cli.errors import NothingRuns
from cli.main import main
from cli.process.membership import joined_processes, membership
from cli.service_choice import urls_of_run
from cli.unknown_variables import known_variables
from cli.urls import Urls

THEIRS = Urls("unix:///q", "unix:///c", "postgresql+psycopg2://activity@/activity?host=/nowhere")


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("ACTIVITY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run_folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on which a run is, as far as its files say."""
    folder = tmp_path / "run"
    folder.mkdir()
    with folder_lock(folder / "lock"):
        state.write(folder / "state.json", state.State("http://127.0.0.1:1", THEIRS, []))
        yield folder


def test_the_option_counts_before_the_variable_and_that_before_the_addresses(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTIVITY_QUEUE_URL", "redis://elsewhere")
    assert urls_of_run(None) is None
    monkeypatch.setenv("ACTIVITY_DATA_DIR", str(run_folder))
    assert urls_of_run(None) == THEIRS
    with pytest.raises(NothingRuns, match="other"):
        urls_of_run(str(tmp_path / "other"))
    monkeypatch.setenv("ACTIVITY_DATA_DIR", str(tmp_path / "other"))
    assert urls_of_run(str(run_folder)) == THEIRS


def test_a_line_of_the_env_file_names_the_run_too(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"ACTIVITY_DATA_DIR={run_folder}\n")
    assert urls_of_run(None) == THEIRS


@pytest.mark.parametrize(
    "command", ["status", "api --port 0", "worker", "migrate", "dead-letters list"]
)
def test_every_command_that_speaks_to_a_running_service_follows_the_variable(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ACTIVITY_DATA_DIR", str(tmp_path / "named"))
    assert main(command.split()) == 1
    assert f"nothing runs on the data folder {tmp_path / 'named'}" in capsys.readouterr().err


def test_what_is_left_of_a_state_file_after_a_power_cut_is_no_traceback(
    run_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for left in (b"", b"\0" * 100, b"{}", b"[]", b'{"url": '):
        (run_folder / "state.json").write_bytes(left)
        assert main(["status", "--data-dir", str(run_folder)]) == 1
        assert "is starting or ending: try again" in capsys.readouterr().err


def test_what_a_killed_command_left_is_not_listed_and_goes_with_the_next(run_folder: Path) -> None:
    folder = run_folder / "joined"
    folder.mkdir()
    (folder / "1.lock").touch()
    (folder / "1.json").write_text(f'[["worker", {os.getpid()}]]')
    assert joined_processes(run_folder) == []
    with membership(run_folder) as member:
        member.record([("worker", os.getpid())])
        assert not (folder / "1.json").exists()
        me = os.getpid()
        assert state.running(run_folder).processes == [("supervisor", me), ("worker", me)]
    assert list(folder.iterdir()) == []


def unknown(caplog: pytest.LogCaptureFixture) -> list[str]:
    main(["status"])
    return [line for line in caplog.messages if "is not a setting" in line]


def test_a_misspelt_variable_is_told_of_once_with_the_nearest_name(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ACTIVITY_WORKER", "3")
    monkeypatch.setenv("activity_prot", "3")
    Path(".env").write_text("ACTIVITY_SHARD=3\nACTIVITY_WORKER=4\nOTHER=1\n")
    assert unknown(caplog) == [
        "ACTIVITY_SHARD is not a setting and is ignored; did you mean ACTIVITY_SHARDS?",
        "ACTIVITY_WORKER is not a setting and is ignored; did you mean ACTIVITY_WORKERS?",
        "activity_prot is not a setting and is ignored; did you mean ACTIVITY_PORT?",
    ]


def test_a_line_of_the_env_file_that_sets_nothing_is_told_of_once_by_its_number(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".env").write_text("ACTIVITY_SHARDS=3\n\n/export this\n# a comment\nOTHER\n")
    main(["status"])
    env_file = Path(".env").absolute()
    [line] = [one for one in caplog.messages if "NAME=VALUE" in one]
    assert line == f"line 3 of {env_file} is not NAME=VALUE, and is ignored"
    assert "python-dotenv" not in caplog.text + capsys.readouterr().err


def test_what_resembles_no_setting_is_told_of_without_a_guess(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ACTIVITY_XYZZY_QQQQQQQQQQQQ", "1")
    (line,) = unknown(caplog)
    assert "docs/settings.md" in line


def test_no_setting_that_exists_is_told_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in known_variables():
        monkeypatch.setenv(name, "1")
    assert unknown(caplog) == []


def test_an_env_file_that_is_no_text_is_an_error_and_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path(".env").write_bytes(b"ACTIVITY_PORT=\xff\n")
    assert main(["status"]) == 2
    assert ".env is not UTF-8 text" in capsys.readouterr().err


def test_replicas_of_a_queue_that_has_none_are_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACTIVITY_QUEUE_REPLICAS", "1")
    assert main(["up", "--port", "0", "--data-dir", str(tmp_path / "data")]) == 2
    assert "ACTIVITY_QUEUE_REPLICAS is 1, and the queue of `activity up` has no replica" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "data").exists()
