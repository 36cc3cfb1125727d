"""A standby behind TLS: readers use it if its certificate is right, and the primary otherwise.

The embedded PostgreSQL has no TLS, so PgBouncer speaks it in front of the standby.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cli.doctor.check import Finding, Verdict
from cli.embedded.account import server_account
from cli.embedded.postgres import NAME
from storage.postgres.migrate import upgrade
from storage.settings import StorageSettings
from testbed.ports import free_ports
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.certificates import Authority
from tests.support.data_folders import reachable_folder
from tests.support.doctor_bench import findings_of
from tests.support.pgbouncer import pgbouncer, program
from tests.support.scraped import scrape
from tests.support.standby import Member, address_of_one, two_servers

EVENT = {"component": "c", "environment": "e", "message": "m"}

pytestmark = pytest.mark.skipif(program() is None, reason="pgbouncer is not installed")


@pytest.fixture(scope="module")
def members() -> Iterator[tuple[Member, Member]]:
    with two_servers(waits_for_standby=False) as found:
        upgrade(address_of_one(found[0]))
        yield found


@pytest.fixture(scope="module")
def encrypted(members: tuple[Member, Member]) -> Iterator[tuple[int, Authority]]:
    """Yield the port of 127.0.0.1 on which the standby speaks TLS, and who has certified it."""
    with reachable_folder() as folder, _tls_in_front(folder, address_of_one(members[1])) as found:
        yield found


@contextmanager
def _tls_in_front(folder: Path, url: str) -> Iterator[tuple[int, Authority]]:
    authority, (port,) = Authority(folder), free_ports(1)
    certificate, key = authority.issue()
    if account := server_account(folder / "none"):
        shutil.chown(key, account.uid, account.gid)
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "client_tls_sslmode": "require",
        "client_tls_cert_file": certificate,
        "client_tls_key_file": key,
    }
    with pgbouncer(folder, url, "session", **settings):
        yield port, authority


@pytest.fixture
def primary_only(settings: StorageSettings, members: tuple[Member, Member]) -> StorageSettings:
    return StorageSettings(
        queue_url=settings.queue_url,
        control_url=settings.control_url,
        database_url=address_of_one(members[0]),
        _env_file=None,
    )


def reading(primary_only: StorageSettings, host: str, port: int, ca: Path) -> StorageSettings:
    """Return settings that read the standby of this host."""
    query = f"hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={quote(str(ca), safe='')}"
    return primary_only.model_copy(
        update={"read_url": f"postgresql+psycopg2://{NAME}@{host}:{port}/{NAME}?{query}"}
    )


def standby_finding(settings: StorageSettings) -> Finding:
    return findings_of(settings)["database-read-standbys"]


def status(running: Service) -> dict[str, Any]:
    found: dict[str, Any] = running.http.get("/status").json()
    return found


def state(running: Service) -> str:
    return str(status(running)["standbys"][0]["state"])


def store_and_read(running: Service) -> None:
    """Store an event, and read it."""
    stored = running.http.post("/events?ack=stored", json=EVENT)
    assert stored.status_code == 201, stored.text
    event_id = stored.json()["id"]
    assert running.http.get(f"/events/{event_id}").json()["receipt"] == "stored"


def answered_by_standby(running: Service) -> bool:
    """Return whether a read was answered by the standby."""
    store_and_read(running)
    reads = scrape(running.http).by("activity_standby_reads_total", "outcome")
    return reads[("standby",)] > 0


def test_a_standby_with_the_right_certificate_is_read(
    primary_only: StorageSettings, encrypted: tuple[int, Authority]
) -> None:
    port, authority = encrypted
    right = reading(primary_only, "127.0.0.1", port, authority.file)
    assert standby_finding(right).verdict is Verdict.OK
    with service(right) as running:
        wait_until(lambda: answered_by_standby(running), "a read on the standby")
        wait_until(lambda: state(running) == "reading", "the status to say so")


@pytest.mark.parametrize(
    ("host", "is_issuer", "reason"),
    [
        ("127.0.0.1", False, "certificate verify failed"),
        ("localhost", True, 'does not match host name "localhost"'),
    ],
)
def test_a_standby_with_a_wrong_certificate_is_told_and_the_primary_read(
    primary_only: StorageSettings,
    encrypted: tuple[int, Authority],
    tmp_path: Path,
    host: str,
    is_issuer: bool,
    reason: str,
) -> None:
    port, authority = encrypted
    ca = authority.file if is_issuer else Authority(tmp_path).file
    wrong = reading(primary_only, host, port, ca)
    finding = standby_finding(wrong)
    assert finding.verdict is Verdict.WARNING
    assert reason in finding.text
    with service(wrong) as running:
        store_and_read(running)
        wait_until(lambda: any(reason in each for each in status(running)["attention"]), "a reason")
        assert state(running) == "away"
        store_and_read(running)
        assert not answered_by_standby(running)
