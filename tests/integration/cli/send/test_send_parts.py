"""A batch that the service refuses as too large is sent in parts, each line under one key only."""

import json
from pathlib import Path

import pytest

from storage.access.token import new_token
from testbed.waiting import wait_until
from tests.support import send_runs
from tests.support.send_command import SendCommand, ndjson
from tests.support.send_runs import messages
from tests.support.stub_service import (
    Behaviour,
    Reply,
    Request,
    StubService,
    lose_the_answer,
    refuse,
)

send = send_runs.send

LINES, BATCH = 64, 16
OPTIONS = ("--batch", BATCH)


def at_most(lines: int, otherwise: Behaviour = StubService.accept) -> Behaviour:
    """Refuse larger batches that are new; a repeated one gets its answer."""

    def behave(stub: StubService, request: Request) -> Reply:
        is_new = request.key not in stub.keys
        too_large = is_new and len(request.lines) > lines
        return refuse(413)(stub, request) if too_large else otherwise(stub, request)

    return behave


def until(count: int, then: Behaviour, behaviour: Behaviour) -> Behaviour:
    """Behave so for that many requests, and otherwise after them."""

    def behave(stub: StubService, request: Request) -> Reply:
        return (behaviour if len(stub.requests) <= count else then)(stub, request)

    return behave


@pytest.mark.parametrize("connections", [1, 3])
@pytest.mark.parametrize("steps", range(1, 14))
def test_killed_at_each_step_of_a_split_batch_each_line_is_stored_once(
    stub: StubService, send: SendCommand, tmp_path: Path, steps: int, connections: int
) -> None:
    """The next run may send larger batches, the one after it only smaller ones."""
    file = ndjson(tmp_path / "events", LINES)
    for limit in (5, 100):
        lost = until(steps + 1, refuse(503), lose_the_answer)
        stub.otherwise = until(steps, at_most(limit, lost), at_most(limit))
        stub.requests.clear()
        process = send.start(file, *OPTIONS, "--connections", connections)
        wait_until(
            lambda p=process: len(stub.requests) > steps + 1 or p.poll() is not None,  # type: ignore[misc]
            "an answer to be lost",
        )
        process.kill()
        process.communicate()
    stub.otherwise = at_most(3)
    assert send.summary(file, *OPTIONS)["status"] == 0
    assert sorted(stub.messages) == sorted(messages(LINES))


def test_chunks_that_are_done_behind_an_unfinished_one_are_not_sent_again(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    """Not even with another API key, under which the service would not recognise them."""

    def behave(stub: StubService, request: Request) -> Reply:
        return (refuse(429) if "m0" in request.messages else StubService.accept)(stub, request)

    file = ndjson(tmp_path / "events", LINES)
    rows = file.read_text().splitlines()
    rows[20] = rows[20].replace('"m20"', '"bad m20"')
    file.write_text("\n".join(rows))
    stub.otherwise = behave
    before = send.summary(file, *OPTIONS, "--give-up", 2)
    assert (before["lines"], before["accepted"]) == (0, 0)
    assert stub.messages
    stub.forget()
    stub.otherwise = StubService.accept
    after = send.summary(file, *OPTIONS)
    assert (after["accepted"], after["rejected"], after["lines"]) == (LINES - 1, 1, LINES)
    assert len(stub.messages) == len(set(stub.messages)) == LINES - 1
    rows[20] = rows[20].replace("bad ", "")
    file.write_text("\n".join(rows))
    assert send.summary(file, *OPTIONS)["run_accepted"] == 1


def test_done_chunks_that_were_changed_are_told(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    def behave(stub: StubService, request: Request) -> Reply:
        return (refuse(429) if "m0" in request.messages else StubService.accept)(stub, request)

    file = ndjson(tmp_path / "events", LINES, data=5_000 * "x")  # no change of the first 64 KiB
    stub.otherwise = behave
    assert send.summary(file, *OPTIONS, "--give-up", 2)["accepted"] == 0
    file.write_text(file.read_text().replace("m20", "x20"))
    stub.otherwise = StubService.accept
    ran = send.run(file, *OPTIONS)
    assert ran.returncode == 1
    assert "some of the lines 17 to 32 have changed" in ran.stderr


def test_another_api_key_is_refused_while_lines_may_be_stored_under_the_first(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    first, second = new_token(), new_token()
    file = ndjson(tmp_path / "events", LINES)
    send._env["ACTIVITY_KEY"] = first
    stub.otherwise = lose_the_answer
    assert send.run(file, "--give-up", 0).returncode == 1
    send._env["ACTIVITY_KEY"] = second
    stub.otherwise = StubService.accept
    refused = send.run(file)
    assert refused.returncode == 1
    assert f"used the API key {first.split('_')[1]}" in refused.stderr
    assert "--continue-anyway" in refused.stderr
    assert first not in refused.stderr + "".join(one.read_text() for one in send.checkpoints())
    send._env["ACTIVITY_KEY"] = first
    assert send.summary(file)["accepted"] == LINES
    assert stub.messages == messages(LINES)


def test_another_api_key_continues_a_run_of_which_everything_is_known(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    file, at = ndjson(tmp_path / "events", LINES), tmp_path / "here"
    options = (file, *OPTIONS, "--checkpoint", at, "--connections", 1)
    send._env["ACTIVITY_KEY"] = new_token()
    stub.otherwise = until(2, refuse(429), StubService.accept)
    assert send.run(*options, "--give-up", 1).returncode == 1
    assert json.loads(at.read_text())["is_certain"] is True
    send._env["ACTIVITY_KEY"] = new_token()
    stub.forget()
    stub.otherwise = StubService.accept
    assert send.summary(*options)["accepted"] == LINES
    assert stub.messages == messages(LINES)
