"""A queue of several servers with TLS: its servers are known by a private authority only."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from cli.doctor.check import Verdict
from storage.settings import StorageSettings
from testbed.cluster import cluster_nodes
from testbed.sentinels import sentinel_set
from testbed.service import Service, service
from testbed.valkey import Node, Tls
from testbed.waiting import wait_until
from tests.support import debian_redis
from tests.support.certificates import Authority
from tests.support.debian_redis import needs_redis
from tests.support.doctor_bench import findings_of
from tests.support.failovers import SECONDS

EVENT = {"component": "a", "environment": "b", "message": "c"}
REASON = "certificate verify failed"

pytestmark = needs_redis
tls = debian_redis.tls


@contextmanager
def under_sentinels(tls: Tls) -> Iterator[tuple[str, list[Node]]]:
    with sentinel_set(tls=tls) as found:
        yield found.url, found.servers


@contextmanager
def on_a_cluster(tls: Tls) -> Iterator[tuple[str, list[Node]]]:
    with cluster_nodes(tls=tls) as found:
        yield found.url, found.nodes


@pytest.fixture(scope="module", params=[under_sentinels, on_a_cluster])
def queue(request: pytest.FixtureRequest, tls: Tls) -> Iterator[tuple[str, list[Node]]]:
    """Yield the address of a queue, and its servers."""
    with request.param(tls) as found:
        yield found


@pytest.fixture
def address(queue: tuple[str, list[Node]]) -> str:
    return queue[0]


def post(running: Service) -> str:
    """Return the ID of an event, empty if it was refused."""
    return str(running.http.post("/events", json=EVENT).json().get("id", ""))


def test_an_authority_that_has_not_issued_the_certificates_is_refused_with_the_reason(
    settings: StorageSettings, address: str, tmp_path: Path
) -> None:
    other = quote(str(Authority(tmp_path).file), safe="")
    wrong = settings.model_copy(
        update={"queue_url": f"{address.partition('?')[0]}?ssl_ca_certs={other}"}
    )
    finding = findings_of(wrong)["queue-answers"]
    assert finding.verdict is Verdict.FAULT
    assert REASON in finding.text
    with (
        (tmp_path / "log").open("wb") as log,
        service(wrong, workers=0, probe="/health", log_to=log) as running,
    ):
        assert running.http.get("/health/ready").status_code == 503
        assert running.http.post("/events", json=EVENT).status_code == 503
        wait_until(lambda: REASON in (tmp_path / "log").read_text(), "the reason in the log")


def test_events_are_stored_over_tls_before_and_after_a_failover(
    settings: StorageSettings, queue: tuple[str, list[Node]]
) -> None:
    address, servers = queue
    encrypted = settings.model_copy(update={"queue_url": address})
    assert findings_of(encrypted)["queue-answers"].verdict is Verdict.OK
    with service(encrypted) as running:
        running.wait_stored(post(running))
        primaries = [each for each in servers if each.role() == "master"]
        primaries[0].kill()
        wait_until(
            lambda: sum(each.role() == "master" for each in servers) == len(primaries),
            "another primary",
            SECONDS,
        )
        for _ in range(4):
            running.wait_stored(wait_until(lambda: post(running), "an event taken", SECONDS))
