"""Servers that are no queue are refused with the reason; replicas and what is stated are told."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import redis

from cli.embedded.valkey import Valkey
from storage.errors import QueueUnsuitable
from storage.redis.server_check import RedisServer, require_fit_queue
from storage.settings import StorageSettings
from testbed.servers import environment
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.own_queue import own_queue

EVENT = {"component": "c", "environment": "e", "message": "m"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


def started(stack: ExitStack, **more: str) -> Valkey:
    valkey = stack.enter_context(own_queue(**more))
    valkey.start()
    return valkey


def cluster_node(stack: ExitStack) -> str:
    ports = {"port": str(free_port()), "cluster_port": str(free_port())}
    return started(stack, cluster_enabled="yes", **ports).url


def replica(stack: ExitStack) -> str:
    url = started(stack).url
    with redis.Redis.from_url(url) as server:
        server.replicaof("127.0.0.1", str(free_port()))
    return url


SERVERS = [(cluster_node, "a node of a cluster"), (replica, "a replica")]


@pytest.mark.parametrize(("server", "reason"), SERVERS)
@pytest.mark.parametrize("role", ["queue", "control"])
def test_no_program_starts_on_a_cluster_or_a_replica(
    settings: StorageSettings, stack: ExitStack, server: object, reason: str, role: str
) -> None:
    wrong = settings.model_copy(update={f"{role}_url": server(stack)})  # type: ignore[operator]
    for command in (
        ["-m", "api", "--port", "0"],
        ["-m", "worker"],
        ["-m", "cli.main", "api", "--port", "0"],
        ["-m", "cli.main", "worker"],
        ["-m", "cli.main", "dead-letters", "list"],
    ):
        ended = subprocess.run(
            [sys.executable, *command],
            env=environment(wrong),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 1, command
        assert f"(ACTIVITY_{role.upper()}_URL) is {reason}" in ended.stderr
        assert "Traceback" not in ended.stderr


def status_queue(running: Service) -> dict[str, object]:
    found: dict[str, object] = running.http.get("/status").json()["queue"]
    return found


def test_a_queue_that_becomes_a_replica_is_not_ready_and_says_why(
    settings: StorageSettings, stack: ExitStack
) -> None:
    valkey = started(stack)
    with service(settings.model_copy(update={"queue_url": valkey.url}), workers=0) as running:
        running.post(**EVENT)
        with redis.Redis.from_url(valkey.url) as server:
            server.replicaof("127.0.0.1", str(free_port()))
        ready = running.http.get("/health/ready")
        assert ready.status_code == 503
        assert "is a replica" in ready.json()["dependencies"]["queue"]["detail"]
        assert running.http.post("/events", json=EVENT).status_code == 503


def test_a_queue_that_comes_up_later_and_is_a_cluster_takes_no_event(
    settings: StorageSettings, stack: ExitStack
) -> None:
    ports = {"port": str(free_port()), "cluster_port": str(free_port())}
    valkey = stack.enter_context(own_queue(cluster_enabled="yes", **ports))
    late = settings.model_copy(update={"queue_url": valkey.url})
    with service(late, workers=0, probe="/health") as running:
        valkey.start()
        answer = running.http.post("/events", json=EVENT)
        assert answer.status_code == 503
        assert "a node of a cluster" in answer.json()["detail"]


def test_replicas_are_told_and_ask_for_attention_unless_the_queue_is_trusted(
    settings: StorageSettings, stack: ExitStack
) -> None:
    port = free_port()
    primary, follower = started(stack, port=str(port)), started(stack)
    with redis.Redis.from_url(follower.url) as server:
        server.replicaof("127.0.0.1", str(port))
    with redis.Redis.from_url(primary.url) as server:
        wait_until(lambda: server.info()["connected_slaves"] == 1, "the replica to follow", 60)
    told = settings.model_copy(update={"queue_url": primary.url})
    with service(told, workers=0) as running:
        assert status_queue(running) == {
            "durability": "checked",
            "replicas": 1,
            "replicas_awaited": 0,
        }
        assert "is 0: a failover loses" in str(running.http.get("/status").json()["attention"])
    trusted = told.model_copy(update={"queue_durability": "trusted"})
    with service(trusted, workers=0) as running:
        assert status_queue(running) == {
            "durability": "stated",
            "replicas": 1,
            "replicas_awaited": 0,
        }
        assert "replica" not in str(running.http.get("/status").json()["attention"])


@pytest.fixture
def silent(settings: StorageSettings) -> Iterator[StorageSettings]:
    """Return a queue that refuses CONFIG and INFO, as some hosts do."""
    with redis.Redis.from_url(settings.queue_url) as server:
        words = ["on", ">secret", "~*", "+@all", "-config", "-info"]
        server.execute_command("ACL", "SETUSER", "silent", "reset", *words)
        url = f"{settings.queue_url}&username=silent&password=secret"
        yield settings.model_copy(update={"queue_url": url})
        server.execute_command("ACL", "DELUSER", "silent")


def test_a_queue_that_does_not_tell_asks_for_attention_until_its_operator_states_it(
    silent: StorageSettings, capfd: pytest.CaptureFixture[str]
) -> None:
    with service(silent) as running:
        running.wait_stored(running.post(**EVENT)["id"])
        assert status_queue(running) == {
            "durability": "unknown",
            "replicas": None,
            "replicas_awaited": 0,
        }
        assert running.http.get("/status").json()["status"] == "attention"
    assert "ACKNOWLEDGED EVENTS MAY BE LOST" in capfd.readouterr().err
    trusted = silent.model_copy(update={"queue_durability": "trusted"})
    with service(trusted) as running:
        running.wait_stored(running.post(**EVENT)["id"])
        found = running.http.get("/status").json()
        assert (found["status"], found["attention"]) == ("ok", [])
        assert found["queue"] == {"durability": "stated", "replicas": None, "replicas_awaited": 0}
    said = capfd.readouterr().err
    assert "MAY BE LOST" not in said
    assert "is stated (ACTIVITY_QUEUE_DURABILITY=trusted) and not checked" in said


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({"redis_version": "6.2.14"}, "is Redis 6.2.14: 7.0 or newer"),
        ({"redis_version": "5.0.7"}, "7.0 or newer is needed, or Valkey"),
        ({"redis_version": "7.2.4", "cluster_enabled": 1}, "a node of a cluster"),
        ({"redis_version": "7.2.4", "redis_mode": "cluster"}, "a node of a cluster"),
        ({"redis_version": "7.2.4", "redis_mode": "sentinel"}, "a Sentinel"),
        ({"redis_version": "7.2.4", "role": "slave"}, "a replica"),
    ],
)
def test_what_a_server_says_of_itself_decides(info: dict[str, object], reason: str) -> None:
    with pytest.raises(QueueUnsuitable, match=reason):
        require_fit_queue(info)


@pytest.mark.parametrize("version", ["7.0.0", "7.2.4", "8.0", "10.1.2", "", "unstable"])
def test_newer_servers_and_those_that_do_not_tell_are_taken(version: str) -> None:
    assert RedisServer.of({"redis_version": version}).unsuitability() is None


def attention(running: Service) -> str:
    return str(running.http.get("/status").json()["attention"])


def test_a_queue_whose_file_was_turned_on_is_weak_until_it_fsyncs(
    settings: StorageSettings, stack: ExitStack, capfd: pytest.CaptureFixture[str]
) -> None:
    valkey = started(stack, appendonly="no")
    with redis.Redis.from_url(valkey.url) as server:
        server.set("something", "to be rewritten")
        server.config_set("rdb-key-save-delay", 60_000_000)  # us: the rewrite takes a minute
        server.config_set("appendonly", "yes")
        with service(settings.model_copy(update={"queue_url": valkey.url}), workers=0) as running:
            running.post(**EVENT)
            assert status_queue(running)["durability"] == "weak"
            assert "does not fsync what it acknowledges" in attention(running)
            assert "ACKNOWLEDGED EVENTS MAY BE LOST" in capfd.readouterr().err
            server.config_set("appendonly", "no")
            server.config_set("rdb-key-save-delay", 0)
            server.config_set("appendonly", "yes")
            wait_until(
                lambda: status_queue(running)["durability"] == "checked", "the first rewrite", 60
            )


def test_a_queue_that_does_not_fsync_during_a_rewrite_is_weak(
    settings: StorageSettings, stack: ExitStack
) -> None:
    valkey = started(stack, no_appendfsync_on_rewrite="yes")
    with service(settings.model_copy(update={"queue_url": valkey.url}), workers=0) as running:
        assert status_queue(running)["durability"] == "weak"
        assert "no-appendfsync-on-rewrite yes and needs no" in attention(running)


def test_a_queue_with_full_memory_still_tells_that_it_fsyncs(
    settings: StorageSettings, stack: ExitStack
) -> None:
    valkey = started(stack)
    with service(settings.model_copy(update={"queue_url": valkey.url}), workers=0) as running:
        with redis.Redis.from_url(valkey.url) as server:
            server.config_set("maxmemory", "1mb")
        assert running.http.post("/events", json=EVENT).status_code == 503
        assert status_queue(running)["durability"] == "checked"


def test_a_queue_that_refuses_to_tell_of_its_fsyncs_is_unknown(
    settings: StorageSettings, stack: ExitStack
) -> None:
    valkey = started(stack)
    with redis.Redis.from_url(valkey.url) as server:
        server.execute_command("ACL", "SETUSER", "default", "-waitaof")
    with service(settings.model_copy(update={"queue_url": valkey.url}), workers=0) as running:
        assert status_queue(running)["durability"] == "unknown"
        assert "allow WAITAOF" in attention(running)
