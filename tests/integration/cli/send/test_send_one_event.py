"""`activity send` with the options of one event."""

import json
from pathlib import Path

from cli.send.progress import QUIET_SECONDS
from tests.support import send_runs
from tests.support.send_command import SendCommand, ndjson
from tests.support.send_runs import EVENT
from tests.support.stub_service import (
    StubService,
    lose_the_answer,
    refuse,
)

send = send_runs.send


def test_one_event_is_sent_and_its_id_printed(stub: StubService, send: SendCommand) -> None:
    stub.script += [lose_the_answer]
    ran = send.run(*EVENT, "--email", "a@b.c", "--data", '{"n":\n 1.50}')
    assert (ran.returncode, ran.stdout) == (0, "id-1\n")
    assert b'"data":{"n":  1.50}' in stub.requests[-1].body
    assert json.loads(send.run(*EVENT, "--json").stdout)["id"] == "id-2"
    assert len(stub.stored) == 2


def test_one_event_may_say_when_it_happened(stub: StubService, send: SendCommand) -> None:
    when = "2026-04-16T14:30:00+02:00"
    assert send.run(*EVENT, "--occurred-at", when, "--data", "1").returncode == 0
    sent = json.loads(stub.requests[-1].body)
    assert (sent["occurred_at"], sent["data"]) == (when, 1)


def test_waiting_for_the_service_names_the_address_and_how_to_choose_another(
    stub: StubService, send: SendCommand, tmp_path: Path
) -> None:
    stub.stop()
    where = f"; the address is {stub.url} (--url, ACTIVITY_URL)\n"
    ran = send.run(*EVENT, "--give-up", 0)
    assert ran.stderr.startswith(f"waiting for the service: Connection refused{where}")
    ran = send.run(ndjson(tmp_path / "events", 1), "--give-up", QUIET_SECONDS + 1)
    assert where in ran.stderr


def test_https_to_a_service_of_plain_http_is_told(stub: StubService, send: SendCommand) -> None:
    ran = send.run(*EVENT, "--give-up", 0, "--url", stub.url.replace("http", "https"))
    assert ran.returncode == 1
    assert "it seems to speak plain HTTP: begin with http://" in ran.stderr


def test_one_event_at_a_wrong_address_is_told(stub: StubService, send: SendCommand) -> None:
    stub.otherwise = refuse(404)
    ran = send.run(*EVENT)
    assert ran.returncode == 1
    assert ran.stderr.startswith("activity: error: refused: POST http")
    assert "answer 404" in ran.stderr


def test_one_event_that_is_rejected_is_told(stub: StubService, send: SendCommand) -> None:
    ran = send.run(*EVENT[:-1], "bad")
    assert ran.returncode == 1
    assert ran.stderr == "activity: error: rejected: /message is bad\n"
