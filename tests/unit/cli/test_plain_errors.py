"""What the system refuses is said in words, with the file and what to do."""

import subprocess
from pathlib import Path

import pytest

from cli.main import main

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nofile"], "there is no file nofile"),
        (["."], ". is a folder: name a file"),
        (["ok", "--checkpoint", "ok/x"], "can't store the progress in"),
        (["ok", "--checkpoint", "/proc/x/y"], "choose another file with --checkpoint FILE"),
        (["ok", "--rejected", "/proc/no"], "/proc/no: No such file or directory"),
        (["ok", "--rejected", "."], "--rejected . is a folder: name a file"),
    ],
)
def test_sending_says_in_words_which_file_is_wrong(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "ok").write_text("{}\n")
    assert main(["send", "--url", "http://127.0.0.1:9", "--give-up", "0", *arguments]) in (1, 2)
    told = capsys.readouterr().err
    assert said in told
    assert "Errno" not in told


def test_a_python_that_can_not_be_started_is_not_called_too_old(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    ended = subprocess.run(
        ["make", "PYTHON=/nowhere/python3", ".venv/pyvenv.cfg"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode != 0
    assert "/nowhere/python3 can't be started" in ended.stdout
    assert "or newer is needed" not in ended.stdout
