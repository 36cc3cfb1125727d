"""The examples of docs/terminal.md, each run as it is written."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.main import parser
from testbed.waiting import wait_until
from tests.acceptance.test_up import post_stored, up
from tests.support.data_folders import reachable_folder

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/terminal.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
# A command goes on over the lines of a quoted script.
EXAMPLES = [
    example
    for block in BLOCKS
    for example in re.findall(r"^activity (?:[^'\n]|'[^']*')*$", block, re.MULTILINE)
]


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Run a service with an event, and put `activity` on the path."""
    with reachable_folder() as folder:
        script = folder / "bin" / "activity"
        script.parent.mkdir()
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m cli.entry "$@"\n')
        script.chmod(0o755)
        with up(folder / "data") as (process, client):
            post_stored(client)
            (event,) = client.get("/events").json()["events"]
            ours = {name: v for name, v in os.environ.items() if not name.startswith("ACTIVITY_")}
            yield {
                **ours,
                "PATH": f"{script.parent}:{ours['PATH']}",
                "PYTHONPATH": str(ROOT),
                "ACTIVITY_DATA_DIR": str(folder / "data"),
                "ID": event["id"],
                "URL": str(client.base_url),
            }
            process.terminate()
            process.wait(60)


FOLLOWING = [example for example in EXAMPLES if "--follow" in example]


@pytest.mark.parametrize("example", [each for each in EXAMPLES if each not in FOLLOWING])
def test_an_example_of_the_page_works(
    example: str, environment: dict[str, str], tmp_path: Path
) -> None:
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", example],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert "error" not in ended.stderr


@pytest.mark.parametrize("example", FOLLOWING)
def test_an_example_that_follows_shows_what_is_posted(
    example: str, environment: dict[str, str], tmp_path: Path
) -> None:
    shown = tmp_path / "shown"
    event = {"component": "c", "environment": "production", "message": "an error"}
    with shown.open("w") as output:
        # `exec`: so that the signal reaches the command itself.
        process = subprocess.Popen(
            ["bash", "-c", f"trap - INT; exec {example}"], env=environment, stdout=output
        )
    try:
        wait_until(
            lambda: posted(environment, event) and event["message"] in shown.read_text(), "it"
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait()


def posted(environment: dict[str, str], event: dict[str, str]) -> bool:
    """Post an event more: which one comes after the command has begun is not known."""
    url = environment["URL"]
    return httpx.post(f"{url}/events", json=event, timeout=60, trust_env=False).is_success


def test_every_line_of_the_blocks_is_such_an_example() -> None:
    written = "".join(BLOCKS)
    assert len(EXAMPLES) > 15
    assert sum(len(example) + 1 for example in EXAMPLES) == len(written)


def test_the_command_page_names_every_option() -> None:
    page = (ROOT / "docs/command.md").read_text()
    for name in ("query", "get", "sql"):
        for action in parser([name]).actions():
            for option in action.option_strings:
                assert option in ("-h", "--help", "--version", "--json") or f"`{option}" in page
