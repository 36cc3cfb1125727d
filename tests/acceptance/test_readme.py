"""Run the first five minutes of the README: every block, in order, in a clone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.service import Service
from testbed.waiting import wait_until
from tests.support.readme import ROOT, blocks


def _is_endless(line: str) -> bool:
    """Return whether the command of the line goes on until somebody ends it."""
    return line.startswith("curl -N ") or " --follow" in line


SHELL = [block for block in blocks("sh") if "make" not in block and "keys create" not in block]
ENDLESS = [line for block in SHELL for line in block.splitlines() if _is_endless(line)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Yield what a new user has after `make up`."""
    folder = tmp_path_factory.mktemp("clone") / "activity"
    trust = ("-c", f"safe.directory={ROOT}", "-c", f"safe.directory={ROOT}/.git")
    subprocess.run(["git", *trust, "clone", "-q", str(ROOT), str(folder)], check=True)
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def environment(running: Service, folder: Path) -> dict[str, str]:
    others = {k: v for k, v in os.environ.items() if not k.startswith(("ACTIVITY_", "GIT_"))}
    return {**others, "ACTIVITY_URL": running.url, "XDG_STATE_HOME": str(folder / "state")}


def run(running: Service, folder: Path, *command: str) -> str:
    env = environment(running, folder)
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_block_of_commands_runs_as_it_stands(running: Service, clone: Path) -> None:
    said = []
    for block in SHELL:
        here = block.replace("export ACTIVITY_URL=http://127.0.0.1:5000", "export ACTIVITY_URL")
        ending = "\n".join(line for line in here.splitlines() if line not in ENDLESS)
        said.append(run(running, clone, "sh", "-euc", ending))
        assert "urn:activity:problem" not in said[-1]
        wait_until(lambda: running.http.get("/status").json()["backlog"] == 0, "it to be stored")
    first, history, recent, questions, counts, _, sent = said
    assert (clone / "api.csv").read_text().startswith("id,created_at,component,")
    assert first.startswith("HTTP/1.1 202 ")
    assert '"amount":12.50' in first.replace(" ", "")
    assert history.startswith("posted ")
    assert "@" in recent
    assert questions.count('"next_cursor":') == 4
    assert '"message":' in counts
    assert counts.count('"complete":true') == 2
    assert sent.startswith("1 accepted, 0 rejected")
    assert '"accepted":1' in sent


@pytest.mark.parametrize("line", ENDLESS)
def test_what_goes_on_shows_an_event_that_is_there(
    running: Service, clone: Path, line: str, tmp_path: Path
) -> None:
    posted = running.post(component="billing", environment="production", message="Invoice 1042")
    running.wait_stored(posted["id"])
    shown = tmp_path / "shown"
    with (
        shown.open("wb") as output,
        subprocess.Popen(
            ["sh", "-euc", f"exec {line}"],
            cwd=clone,
            env=environment(running, clone),
            stdout=output,
        ) as following,
    ):
        try:
            wait_until(lambda: "Invoice 1042" in shown.read_text(), "an event to be shown")
        finally:
            following.kill()


def test_the_python_program_runs_as_it_stands(running: Service, clone: Path) -> None:
    [program] = blocks("python")
    run(running, clone, str(clone / ".venv/bin/python"), "-c", program)
    wait_until(
        lambda: running.events(component="billing", message="overdue"), "the record to be stored"
    )


def test_the_block_about_keys_runs_as_it_stands(running: Service, clone: Path) -> None:
    """The last test: from now on requests need the key. An address is in place of the folder."""
    [block] = [block for block in blocks("sh") if "keys create" in block]
    create, export, ask = block.strip().splitlines()
    assert export.startswith("export ACTIVITY_KEY=act_...")
    env = {**running.env, "ACTIVITY_URL": running.url}

    def output(command: str) -> str:
        shell = ["sh", "-euc", command]
        return subprocess.run(
            shell, cwd=clone, env=env, capture_output=True, text=True, timeout=120, check=True
        ).stdout

    env["ACTIVITY_KEY"] = output(create.replace(" --data-dir .data", "")).strip()
    wait_until(lambda: running.http.get("/events").status_code == 401, "the key to be needed")
    assert '"events":[' in output(ask)
