"""`activity send` with the options of one event."""

import json

from tests.support import send_runs
from tests.support.send_command import SendCommand
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
