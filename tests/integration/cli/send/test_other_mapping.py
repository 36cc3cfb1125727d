"""A file that is read in another way than before makes other events: it is not sent unasked."""

import csv
from pathlib import Path

import pytest

from tests.support.send_command import SendCommand, ndjson
from tests.support.stub_service import Reply, Request, StubService, lose_the_answer

_NAMES = ("--map", "svc=component", "--map", "text=message")
MAPS = (*_NAMES, "--map", "code=data.code")
WRONG = (*_NAMES, "--map", "code=email")


@pytest.fixture
def send(stub: StubService, tmp_path: Path) -> SendCommand:
    return SendCommand(stub.url, tmp_path / "state")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(("svc", "environment", "text", "code"))
        writer.writerows(("c", "e", f"m{number}", 7) for number in range(5))
    return path


def refuse_rows_with_an_email(stub: StubService, request: Request) -> Reply:
    if not any(b'"email"' in line for line in request.lines):
        return stub.accept(request)
    problem = {"status": 422, "detail": "/email is none"}
    return Reply(422, {"results": [{"error": problem} for _ in request.lines]})


def test_a_finished_run_is_not_sent_again_with_another_mapping(
    stub: StubService, send: SendCommand, file: Path
) -> None:
    assert send.run(file, *MAPS).returncode == 0
    for other in ((*MAPS, "--map", "environment=data.place"), WRONG, ("--format", "ndjson")):
        ran = send.run(file, *other)
        assert ran.returncode == 1
        assert "an earlier run stored 5 lines of this file with `--format csv" in ran.stderr
        assert "--map text=message" in ran.stderr
        assert "--restart" in ran.stderr
    assert "nothing to do" in send.run(file, *MAPS).stdout
    assert len(stub.stored) == 5


def test_a_wrong_mapping_that_rejects_all_lines_makes_no_earlier_run_forgotten(
    stub: StubService, send: SendCommand, file: Path
) -> None:
    stub.otherwise = refuse_rows_with_an_email
    assert send.run(file, *MAPS).returncode == 0
    assert send.run(file, *WRONG).returncode == 1
    assert send.run(file, *MAPS).returncode == 0
    assert len(stub.stored) == 5


def test_after_a_run_that_stored_nothing_the_right_mapping_sends_all(
    stub: StubService, send: SendCommand, file: Path, tmp_path: Path
) -> None:
    stub.otherwise = refuse_rows_with_an_email
    bad = ("--rejected", tmp_path / "bad")
    first = send.summary(file, *WRONG, *bad)
    assert (first["accepted"], first["rejected"]) == (0, 5)
    ended = send.summary(file, *MAPS, *bad)
    assert (ended["status"], ended["accepted"]) == (0, 5)
    assert stub.messages == [f"m{number}" for number in range(5)]


def test_plain_lines_that_were_sent_are_not_sent_again_with_a_mapping(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    lines = ndjson(tmp_path / "events", 3, extra=1)
    assert send.run(lines).returncode == 0
    ran = send.run(lines, "--map", "extra=data.extra")
    assert (ran.returncode, "Run the command with `--format ndjson`" in ran.stderr) == (1, True)
    assert len(stub.stored) == 3


def test_an_interrupted_run_names_the_mapping_that_continues_it(
    stub: StubService, send: SendCommand, file: Path
) -> None:
    stub.script.append(lose_the_answer)
    stub.otherwise = lambda stub, request: Reply(503)
    assert send.run(file, *MAPS, "--give-up", "1").returncode == 1
    stub.otherwise = lambda stub, request: stub.accept(request)
    ran = send.run(file, *WRONG)
    assert "the interrupted run stored perhaps some lines" in ran.stderr
    assert "--map text=message --map code=data.code" in ran.stderr
    assert send.run(file, *MAPS).returncode == 0
    assert len(stub.stored) == 5
