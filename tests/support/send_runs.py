"""Runs of `activity send` against a service that answers as a test says."""

import subprocess
from pathlib import Path

import pytest

from tests.support.send_command import SendCommand
from tests.support.stub_service import (
    Behaviour,
    Reply,
    Request,
    StubService,
)


@pytest.fixture
def send(stub: StubService, tmp_path: Path) -> SendCommand:
    return SendCommand(stub.url, tmp_path / "state")


def messages(count: int) -> list[str]:
    return [f"m{number}" for number in range(count)]


def accept_some(count: int, then: Behaviour) -> Behaviour:
    """Accept that many requests, and do something else with the others."""

    def behave(stub: StubService, request: Request) -> Reply:
        return stub.accept(request) if len(stub.requests) <= count else then(stub, request)

    return behave


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


EVENT = ("--component", "c", "--environment", "e", "--message", "m")
