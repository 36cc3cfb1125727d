"""Check the services of `compose.yaml`, as an operator relies on them, without Docker."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cli.embedded.postgres import SETTINGS as EMBEDDED
from cli.process.commands import API_STOP_SECONDS, WORKER_STOP_SECONDS
from tests.support.compose_files import (
    COMPOSE,
    EVERY_SERVICE,
    EXTERNAL,
    FILES,
    OURS,
    PROJECT,
    SECRETS,
    SERVICES,
    URLS,
    VARIABLE,
    environment_of,
    instructions,
    last,
    server_options,
    with_defaults,
)


def test_the_queue_fsyncs_every_event_and_evicts_none() -> None:
    options = server_options("queue")
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "always"
    assert options["--maxmemory-policy"] == "noeviction"
    assert options["--save"] == ""
    assert options["--maxmemory"] == "1gb"


def test_control_persists_nothing_and_evicts_only_keys_with_a_ttl() -> None:
    options = server_options("control")
    assert options["--appendonly"] == "no"
    assert options["--save"] == ""
    assert options["--maxmemory-policy"] == "volatile-lru"
    assert options["--maxmemory"] == "256mb"
    assert "volumes" not in SERVICES["control"]


def test_queue_and_control_are_two_servers() -> None:
    environment = SERVICES["worker"]["environment"]
    assert environment["ACTIVITY_QUEUE_URL"] == "redis://activity-queue@queue:6379/0"
    assert environment["ACTIVITY_CONTROL_URL"] == "redis://activity-control@control:6379/0"


def test_events_lie_on_named_volumes_where_the_images_keep_their_data() -> None:
    assert SERVICES["queue"]["volumes"] == ["queue-data:/data"]
    assert SERVICES["postgres"]["volumes"] == ["postgres-data:/var/lib/postgresql"]
    assert COMPOSE["volumes"].keys() == {"queue-data", "postgres-data", "admin-key"}


def test_only_the_migrations_have_the_file_of_the_first_admin_key() -> None:
    """Let a process that serves requests never read the token of an administrator."""
    for compose in (COMPOSE, EXTERNAL):
        assert "admin-key" in compose["volumes"]
        with_file = {
            name for name, service in compose["services"].items() if "admin-key" in str(service)
        }
        assert with_file == {"migrate"}
        file = Path(environment_of(compose, "migrate")["ACTIVITY_ADMIN_KEY_FILE"])
        assert compose["services"]["migrate"]["volumes"] == [f"admin-key:{file.parent}"]
        assert "worker" in compose["services"]["migrate"]["image"]
        # A new volume gets the owner of the image's folder: the user who writes the file.
        owner = last("Dockerfile.worker", "USER")
        copied = [words for name, words in instructions("Dockerfile.worker") if name == "COPY"]
        assert f"--from=build --chown={owner} /empty {file.parent}" in copied
        assert f"migrate cat {file}" in (PROJECT / "docs/containers.md").read_text()


def test_workers_can_be_scaled() -> None:
    assert not {"container_name", "ports", "hostname"} & SERVICES["worker"].keys()


def test_only_the_api_is_published_and_by_default_to_this_machine() -> None:
    published = {name for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api"}
    assert [with_defaults(port) for port in SERVICES["api"]["ports"]] == ["127.0.0.1:5000:5000"]
    assert COMPOSE["networks"]["data"] == {"internal": True}
    assert all(SERVICES[name]["networks"] == ["data"] for name in SERVICES.keys() - {"api"})


@pytest.mark.parametrize(("service", "name"), EVERY_SERVICE)
def test_every_service_that_stays_has_a_health_check(service: dict[str, Any], name: str) -> None:
    """Look in the compose file: an image in the OCI format has no health check."""
    if name == "migrate":  # else it had the workers' check, from their image
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["healthcheck"].keys() == {
            "test",
            "interval",
            "timeout",
            "retries",
            "start_period",
        }


@pytest.mark.parametrize("name", ["api", "worker"])
def test_our_health_checks_are_cheap_and_the_same_everywhere(name: str) -> None:
    """Check only what a new process can fix: an unreachable server kills no process."""
    wanted = ["activity", "health", *(["api", "--live"] if name == "api" else ["worker"])]
    for compose in (COMPOSE, EXTERNAL):
        assert compose["services"][name]["healthcheck"]["test"] == ["CMD", *wanted]
    options, _, command = last(f"Dockerfile.{name}", "HEALTHCHECK").partition(" CMD ")
    assert json.loads(command) == wanted
    of_compose = SERVICES[name]["healthcheck"]
    for option in options.split():
        key, _, value = option.removeprefix("--").partition("=")
        assert str(of_compose[key.replace("-", "_")]) == value


def test_postgres_writes_its_log_as_the_embedded_one_does() -> None:
    server, *words = SERVICES["postgres"]["command"]
    assert server == "postgres"
    said = dict(word.split("=") for word in words if word != "-c")
    assert said == {name: EMBEDDED[name] for name in said}
    assert "wal_compression" in said


def test_postgres_is_not_healthy_during_its_setup() -> None:
    """Check by TCP: during its setup PostgreSQL answers on its socket only."""
    assert "--host=127.0.0.1" in SERVICES["postgres"]["healthcheck"]["test"]


@pytest.mark.parametrize(("service", "name"), EVERY_SERVICE)
def test_every_service_is_confined(service: dict[str, Any], name: str) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert not {"cap_add", "privileged", "pid", "network_mode", "devices"} & service.keys()
    assert any(mount.startswith("/tmp:") for mount in service["tmpfs"])


@pytest.mark.parametrize(("service", "name"), EVERY_SERVICE)
def test_no_log_fills_the_disk(service: dict[str, Any], name: str) -> None:
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_runs_as_root(name: str) -> None:
    """Check the Dockerfiles; the images of others start as root unless a user is set."""
    if name not in OURS:
        assert SERVICES[name]["user"] not in ("0", "root")


@pytest.mark.parametrize(("service", "name"), EVERY_SERVICE)
def test_every_service_gets_time_to_stop_and_is_started_again(
    service: dict[str, Any], name: str
) -> None:
    """Give ours more than the 30 s after which `activity` itself kills its processes."""
    assert service["stop_grace_period"] == ("40s" if name in ("api", "worker") else "30s")
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    assert max(API_STOP_SECONDS, WORKER_STOP_SECONDS) < 40


def test_workers_wait_for_the_migrations_and_these_for_postgres() -> None:
    worker, migrate = SERVICES["worker"]["depends_on"], SERVICES["migrate"]["depends_on"]
    assert worker["migrate"] == {"condition": "service_completed_successfully"}
    assert migrate["postgres"] == {"condition": "service_healthy"}
    assert SERVICES["migrate"]["command"] == ["activity", "migrate"]


def test_the_api_starts_while_the_database_is_away() -> None:
    assert SERVICES["api"]["depends_on"].keys() == {"queue", "control"}


@pytest.mark.parametrize(("service", "name"), EVERY_SERVICE)
def test_every_image_can_be_replaced_and_every_foreign_image_is_pinned(
    service: dict[str, Any], name: str
) -> None:
    variable = VARIABLE.fullmatch(service["image"])
    assert variable is not None
    default = variable[2]
    if name not in OURS:
        assert re.search(r":\d", default)


def test_migrations_run_from_the_workers_image() -> None:
    for compose in (COMPOSE, EXTERNAL):
        assert compose["services"]["migrate"]["image"] == compose["services"]["worker"]["image"]


def test_the_external_compose_file_differs_only_in_its_servers() -> None:
    assert EXTERNAL["services"].keys() == set(OURS)
    for name, service in EXTERNAL["services"].items():
        differs = {"networks", "depends_on", "environment", "secrets"}
        same = SERVICES[name].keys() - differs
        assert service.keys() - differs == same
        assert {key: service[key] for key in same} == {key: SERVICES[name][key] for key in same}
        assert "networks" not in service
        ours, theirs = (environment_of(each, name).keys() for each in (COMPOSE, EXTERNAL))
        assert ours - FILES == theirs - SECRETS
    waits = {"migrate": {"condition": "service_completed_successfully"}}
    assert EXTERNAL["services"]["worker"]["depends_on"] == waits
    assert "depends_on" not in EXTERNAL["services"]["api"]


@pytest.mark.parametrize(("service", "name"), EVERY_SERVICE)
def test_the_memory_of_every_service_is_bounded(service: dict[str, Any], name: str) -> None:
    assert VARIABLE.fullmatch(service["mem_limit"])


def test_the_bound_of_a_valkey_has_room_for_what_it_may_keep() -> None:
    """While the queue rewrites its file, what changes is in its memory twice."""
    sizes = {"mb": 1 << 20, "m": 1 << 20, "gb": 1 << 30, "g": 1 << 30}

    def size(text: str) -> int:
        number, unit = re.fullmatch(r"(\d+)(\w+)", with_defaults(text)).groups()  # type: ignore[union-attr]
        return int(number) * sizes[unit]

    queue, control = (
        (size(SERVICES[name]["mem_limit"]), size(server_options(name)["--maxmemory"]))
        for name in ("queue", "control")
    )
    assert queue[0] > 2 * queue[1]
    assert control[0] > control[1]


@pytest.mark.parametrize("file", ["compose.yaml", "compose.external.yaml"])
def test_each_address_that_must_be_set_is_asked_for(file: str) -> None:
    required = re.findall(r"\$\{(\w+):\?", (PROJECT / file).read_text())
    assert set(required) == (URLS if "external" in file else set())
