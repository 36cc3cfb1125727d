"""Servers that are too old are refused, and the message names the required version."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from cli.doctor.check import Verdict
from storage.errors import DatabaseUnsuitable
from storage.postgres.engine import transaction, writing_engine
from storage.postgres.session import require_version
from storage.settings import StorageSettings
from testbed.servers import environment
from testbed.service import service
from tests.support.doctor_bench import findings_of
from tests.support.postgres15 import PROGRAMS, postgres15
from tests.support.relay import relay

EVENT = {"component": "c", "environment": "e", "message": "m"}
SOCKET = ".s.PGSQL.5432"


@pytest.fixture
def folder() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="old-"))
    yield found
    shutil.rmtree(found)


def says_15(said: bytes) -> bytes:
    """Return what the server says, with another version."""
    return said.replace(b"server_version\x0018.", b"server_version\x0015.")


@pytest.fixture(params=["said", "real"])
def old(
    request: pytest.FixtureRequest, settings: StorageSettings, folder: Path
) -> Iterator[StorageSettings]:
    """PostgreSQL 15: a server that claims to be it, and a real one if installed."""
    if request.param == "real":
        if not PROGRAMS.exists():
            pytest.skip("PostgreSQL 15 is not installed; the server that calls itself so is tested")
        with postgres15(folder) as url:
            yield settings.model_copy(update={"database_url": url})
        return
    server = make_url(settings.database_url)
    with relay(folder / SOCKET, f"{server.query['host']}/{SOCKET}", says_15):
        url = server.set(query={"host": str(folder)}).render_as_string(hide_password=False)
        yield settings.model_copy(update={"database_url": url})


@pytest.mark.parametrize(
    "command",
    [["-m", "cli.main", "migrate"], ["-m", "cli.main", "worker"], ["-m", "worker"]],
)
def test_an_old_postgresql_is_refused_with_the_version_that_is_needed(
    old: StorageSettings, command: list[str]
) -> None:
    ended = subprocess.run(
        [sys.executable, *command],
        env=environment(old),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "is too old: the service needs 17 or newer" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_with_an_old_postgresql_events_are_accepted_and_history_is_not_ready(
    old: StorageSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    with service(old, workers=0) as running:
        running.post(**EVENT)
        answer = running.http.get("/health/ready?for=query")
        assert answer.status_code == 503
        detail = answer.json()["dependencies"]["database"]["detail"]
        assert "is too old: the service needs 17 or newer" in detail
        assert running.http.get("/events").status_code == 503
    assert "is too old: the service needs 17 or newer" in capfd.readouterr().err


def test_the_doctor_says_that_an_old_postgresql_is_a_fault(old: StorageSettings) -> None:
    found = findings_of(old)
    assert found["database-answers"].verdict == Verdict.FAULT
    assert "is too old: the service needs 17 or newer" in found["database-answers"].text
    assert found["database-version"].verdict == Verdict.UNKNOWN


def test_a_drain_pauses_with_the_reason(old: StorageSettings) -> None:
    engine = writing_engine(old.database_url)
    with pytest.raises(DatabaseUnsuitable, match="15"), transaction(engine):
        pass
    engine.dispose()


@pytest.mark.parametrize("number", [90_624, 150_013, 160_009])
def test_versions_before_17_are_too_old(number: int) -> None:
    with pytest.raises(DatabaseUnsuitable, match=f"PostgreSQL {number // 10_000}"):
        require_version(number)


@pytest.mark.parametrize("number", [170_000, 180_006, 190_000])
def test_version_17_and_newer_are_right(number: int) -> None:
    require_version(number)
