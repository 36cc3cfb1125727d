"""`--follow` and `--since`: no gap and nothing twice, whatever is killed."""

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.activity_command import ActivityCommand

EVENT = {"component": "c", "environment": "e", "message": "m"}
SECONDS = 120
# Runs a command that is killed in place of keeping the token of what it has written.
KILLED_BEFORE_THE_TOKEN = """
import os, signal, sys
from cli.query import token_file
write = token_file.TokenFile.write
def killed(self, place):
    if place.token != "start":
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, place)
token_file.TokenFile.write = killed
from cli.entry import main
sys.exit(main())
"""


@pytest.fixture
def running(settings: StorageSettings) -> Iterator[Service]:
    with service(settings, cache_grace_ms=0) as started:
        yield started


def post(running: Service, *numbers: int) -> None:
    """Post events with these numbers, again and again until each is accepted."""
    for number in numbers:
        event = {**EVENT, "data": {"n": number}}
        headers = {"Idempotency-Key": f"event-{number}"}
        wait_until(lambda e=event, h=headers: accepted(running, e, h), "it to be accepted")  # type: ignore[misc]


def accepted(running: Service, event: dict[str, Any], headers: dict[str, str]) -> bool:
    with suppress(httpx.HTTPError):
        answer = httpx.post(
            f"{running.url}/events", json=event, headers=headers, timeout=10, trust_env=False
        )
        return answer.status_code == 202
    return False


def stored(running: Service, count: int) -> None:
    """Wait until so many events are stored."""
    wait_until(
        lambda: running.http.get("/events/stats").json()["total"] == count,
        f"{count} events",
        SECONDS,
    )


def numbers(lines: list[str]) -> list[int]:
    return [json.loads(line)["data"]["n"] for line in lines]


class Lines:
    """The lines that a process has written so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.read: list[str] = []
        self._thread = threading.Thread(target=self._follow, args=(process.stdout,))
        self._thread.start()

    def _follow(self, stream: Any) -> None:
        for line in stream:
            self.read.append(line)

    def wait(self, count: int) -> list[int]:
        """Return the numbers once there are so many."""
        wait_until(lambda: len(self.read) >= count, f"{count} lines of {self.read!r}", SECONDS)
        return numbers(self.read)

    def end(self) -> None:
        self._thread.join(SECONDS)


@contextmanager
def followed(command: ActivityCommand, *options: object) -> Iterator[tuple[Any, Lines]]:
    process = command.start("query", "--follow", "--json", *options)
    lines = Lines(process)
    try:
        yield process, lines
    finally:
        process.kill()
        process.wait(SECONDS)
        lines.end()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def restart(running: Service, workers: bool) -> None:
    """Kill the API process, and the worker too if wanted; start others."""
    for processes in (running.apis, running.workers if workers else []):
        for process in processes:
            process.kill()
            process.wait()
        processes.clear()
    running.start_api()
    if workers:
        running.start_worker()


def test_following_goes_on_across_kills_of_the_service(running: Service) -> None:
    command = ActivityCommand(running.url)
    post(running, *range(5))
    stored(running, 5)
    with followed(command, "--limit", "3") as (process, lines):
        assert lines.wait(3) == [2, 3, 4]  # the newest, the newest last
        post(running, 5, 6)
        lines.wait(5)
        restart(running, workers=False)
        post(running, *range(7, 20))
        lines.wait(18)
        restart(running, workers=True)
        post(running, *range(20, 30))
        lines.wait(28)
        assert sorted(numbers(lines.read)) == list(range(2, 30))
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
        assert "Traceback" not in process.stderr.read()


def test_following_shows_what_matches_from_now_on(running: Service) -> None:
    post(running, 2)
    stored(running, 1)
    command = ActivityCommand(running.url)
    with followed(command, "--limit", "0", "--data", "n=2", "--from", "-1h") as (_, lines):
        sent = 0

        def shown() -> bool:  # when the command begins is not known: one of them comes after that
            nonlocal sent
            post(running, 1)
            running.post(**EVENT, data={"n": 2})
            sent += 1
            return bool(lines.read)

        wait_until(shown, "a line", SECONDS)
        assert set(numbers(lines.read)) == {2}
        assert len(lines.read) <= sent  # without the one from before


def test_the_table_is_followed_too_and_its_heading_comes_once(running: Service) -> None:
    process = ActivityCommand(running.url).start("query", "--follow", "--from", "-1h")
    lines = Lines(process)
    for number in range(2):
        post(running, number)
        wait_until(lambda n=number: len(lines.read) == n + 2, "a line more", SECONDS)  # type: ignore[misc]
    process.kill()
    process.communicate()
    lines.end()
    assert [line.split()[0] == "CREATED" for line in lines.read] == [True, False, False]


def test_each_run_prints_what_is_new_since_the_last(running: Service, tmp_path: Path) -> None:
    command, token = ActivityCommand(running.url), tmp_path / "token"
    seen: list[int] = []
    for first, count in ((0, 3), (3, 0), (3, 4)):
        post(running, *range(first, first + count))
        stored(running, first + count)
        new = numbers(command.lines("query", "--since", token))
        assert len(new) == count
        seen += new
    assert sorted(seen) == list(range(7))
    assert token.stat().st_mode & 0o777 == 0o600


def killed_before_the_token(command: ActivityCommand, *options: object) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE_THE_TOKEN, "query", *map(str, options)],
        env=command.env,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return ended.stdout


def test_a_kill_before_the_token_is_kept_repeats_events_and_leaves_out_none(
    running: Service, tmp_path: Path
) -> None:
    command, token = ActivityCommand(running.url), tmp_path / "token"
    post(running, 0, 1)
    stored(running, 2)
    first = killed_before_the_token(command, "--since", token)
    assert sorted(numbers(first.splitlines())) == [0, 1]
    assert sorted(numbers(command.lines("query", "--since", token))) == [0, 1]
    assert command.lines("query", "--since", token) == []


def test_an_output_has_each_event_once_though_a_kill_came_before_the_token(
    running: Service, tmp_path: Path
) -> None:
    command, token, output = ActivityCommand(running.url), tmp_path / "token", tmp_path / "out"
    output.write_text('{"data":{"n":-1}}\n')  # what was there stays
    post(running, 0, 1)
    stored(running, 2)
    export = ("--since", token, "--output", output)
    for count in (2, 3):
        assert killed_before_the_token(command, *export) == ""
        assert len(output.read_text().splitlines()) == 1 + count
        with output.open("a") as file:
            file.write('{"cut off in the mid')
        post(running, count)
        stored(running, count + 1)
    assert command.lines("query", *export) == []
    assert sorted(numbers(output.read_text().splitlines())) == [-1, 0, 1, 2, 3]


def test_an_export_has_each_event_once_whatever_is_killed(running: Service, tmp_path: Path) -> None:
    command, token, output = ActivityCommand(running.url), tmp_path / "token", tmp_path / "out"
    export = ("query", "--since", token, "--output", output)
    chosen = random.Random(13)
    count, end = 300, threading.Event()
    posting = threading.Thread(target=post, args=(running, *range(count)))
    posting.start()
    try:
        for turn in range(6):
            before = output.stat().st_size if output.exists() else 0
            process = command.start(*export, "--follow", stdout=None, stderr=None)
            wait_until(
                lambda b=before: (
                    not posting.is_alive()  # type: ignore[misc]
                    or (output.exists() and output.stat().st_size > b)
                ),
                "more events",
                SECONDS,
            )
            end.wait(chosen.random() / 10)  # any moment will do
            process.kill()
            process.wait()
            if turn % 2:
                restart(running, workers=turn == 3)
    finally:
        posting.join()
    stored(running, count)
    ended = command.run(*export)
    assert ended.returncode == 0, ended.stderr
    assert sorted(numbers(output.read_text().splitlines())) == list(range(count))


def test_an_output_that_was_moved_away_begins_anew(running: Service, tmp_path: Path) -> None:
    command, token, output = ActivityCommand(running.url), tmp_path / "token", tmp_path / "out"
    export = ("query", "--since", token, "--output", output)
    post(running, 0)
    stored(running, 1)
    command.lines(*export)
    output.rename(tmp_path / "out.1")
    post(running, 1)
    stored(running, 2)
    command.lines(*export)
    assert numbers(output.read_text().splitlines()) == [1]
    assert numbers((tmp_path / "out.1").read_text().splitlines()) == [0]


def refused(command: ActivityCommand, *options: object) -> str:
    """Return what an export says that is refused, and prints nothing on standard output."""
    ended = command.run("query", "--json", *options)
    assert (ended.returncode in (1, 2), ended.stdout) == (True, ""), ended.stderr
    return ended.stderr


def test_what_does_not_fit_is_refused_and_changes_nothing(running: Service, tmp_path: Path) -> None:
    command, token, output = ActivityCommand(running.url), tmp_path / "token", tmp_path / "out"
    post(running, 0, 1)
    stored(running, 2)
    since = ("--since", token)
    command.lines("query", *since, "--output", output)
    whole, place = output.read_bytes(), token.read_bytes()
    assert f"belongs to --output {output}" in refused(command, *since)
    assert f"belongs to --output {output}" in refused(command, *since, "--output", tmp_path / "x")
    assert "different files" in refused(command, *since, "--output", token)
    output.write_bytes(whole[:-5])
    assert "put the missing part back" in refused(command, *since, "--output", output)
    assert output.read_bytes() == whole[:-5]
    output.write_bytes(whole)
    (tmp_path / "text").write_text("no line end")
    other = ("--since", tmp_path / "other", "--output", tmp_path / "text")
    assert "does not end with a line end" in refused(command, *other)
    assert "relative date" in refused(command, *since, "--output", output, "--from", "-1h")
    assert token.read_bytes() == place
    for content in ("", "x", "[]", '{"token": 5, "output": null, "length": 0}'):
        token.write_text(content)
        assert "is no file of" in refused(command, *since)
        assert token.read_text() == content


def test_a_first_run_that_fails_leaves_nothing_that_a_later_one_minds(
    running: Service, tmp_path: Path
) -> None:
    token, output, kept = (tmp_path / name for name in ("token", "out", "kept"))
    post(running, 0)
    stored(running, 1)
    wrong = ActivityCommand("http://127.0.0.1:1")
    assert "Connection refused" in refused(wrong, "--since", token, "--output", output)
    assert not token.exists()
    assert not output.exists()
    kept.write_text("{}\n")
    assert "Connection refused" in refused(wrong, "--since", token, "--output", kept)
    assert kept.read_text() == "{}\n"
    command = ActivityCommand(running.url)
    command.lines("query", "--since", token, "--output", tmp_path / "another")
    assert numbers((tmp_path / "another").read_text().splitlines()) == [0]


def test_two_runs_with_one_token_are_refused(running: Service, tmp_path: Path) -> None:
    command, token = ActivityCommand(running.url), tmp_path / "token"
    post(running, 0)
    stored(running, 1)
    process = command.start("query", "--since", token, "--follow")
    lines = Lines(process)
    lines.wait(1)
    assert "another run goes on" in refused(command, "--since", token)
    process.kill()
    process.communicate()
    lines.end()
    command.lines("query", "--since", token)  # the lock of a killed run is free


def test_a_place_of_another_history_is_told_with_the_remedy(
    running: Service, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    command = ActivityCommand(running.url)
    command.lines("query", "--since", token)
    document = json.loads(token.read_text())
    token.write_text(json.dumps({**document, "token": document["token"][:-4] + "AAAA"}))
    assert "after" in refused(command, "--since", token)
