"""What an operator relies on in `compose.yaml` and the Dockerfiles, read without Docker."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.embedded.postgres import SETTINGS as EMBEDDED
from storage.settings import StorageSettings

PROJECT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PACKAGES = {"api", "worker", "storage", "migrations", "cli", "client"}
OURS = ("api", "worker", "migrate")
DOCKERFILES = ("Dockerfile.api", "Dockerfile.worker")
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?(:\?[^}]*)?\}")


def server_options(service: str) -> dict[str, str]:
    """`--name value` pairs of a Valkey server, with the variables' defaults filled in."""
    server, *words = SERVICES[service]["command"]
    assert server == "valkey-server"
    words = [with_defaults(word) for word in words]
    return dict(zip(words[::2], words[1::2], strict=True))


def with_defaults(text: str) -> str:
    return VARIABLE.sub(lambda found: found[2] or "", text)


def texts(node: object) -> Iterator[str]:
    """Every text and key in a YAML document."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield str(key)
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    elif node is not None:
        yield str(node)


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """(instruction, arguments) in order; comments dropped, continued lines joined."""
    lines = (PROJECT / dockerfile).read_text().splitlines()
    code = "\n".join(line for line in lines if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", code)
    found = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(name, arguments) for name, arguments in found]


def last(dockerfile: str, name: str) -> str:
    return [arguments for found, arguments in instructions(dockerfile) if found == name][-1]


def has_healthcheck(service: dict[str, Any]) -> bool:
    if "build" in service:
        return last(service["build"]["dockerfile"], "HEALTHCHECK") != "NONE"
    return "test" in service.get("healthcheck", {})


def test_the_queue_fsyncs_every_event_and_evicts_none() -> None:
    options = server_options("queue")
    assert options["--appendonly"] == "yes"
    assert options["--appendfsync"] == "always"
    assert options["--maxmemory-policy"] == "noeviction"
    assert options["--save"] == ""
    assert options["--maxmemory"] == "1gb"


def test_control_persists_nothing_and_evicts_what_may_go() -> None:
    options = server_options("control")
    assert options["--appendonly"] == "no"
    assert options["--save"] == ""
    assert options["--maxmemory-policy"] == "volatile-lru"
    assert options["--maxmemory"] == "256mb"
    assert "volumes" not in SERVICES["control"]


def test_queue_and_control_are_two_servers() -> None:
    environment = SERVICES["worker"]["environment"]
    assert environment["ACTIVITY_QUEUE_URL"] == "redis://queue:6379/0"
    assert environment["ACTIVITY_CONTROL_URL"] == "redis://control:6379/0"


def test_events_lie_on_named_volumes_where_the_images_keep_their_data() -> None:
    assert SERVICES["queue"]["volumes"] == ["queue-data:/data"]
    assert SERVICES["postgres"]["volumes"] == ["postgres-data:/var/lib/postgresql"]
    assert COMPOSE["volumes"].keys() == {"queue-data", "postgres-data"}


def test_workers_can_be_scaled() -> None:
    assert not {"container_name", "ports", "hostname"} & SERVICES["worker"].keys()


def test_only_the_api_is_published_and_by_default_to_this_machine() -> None:
    published = {name for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api"}
    assert [with_defaults(port) for port in SERVICES["api"]["ports"]] == ["127.0.0.1:5000:5000"]
    assert COMPOSE["networks"]["data"] == {"internal": True}
    assert all(SERVICES[name]["networks"] == ["data"] for name in SERVICES.keys() - {"api"})


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check_or_says_why_not(name: str) -> None:
    reason = SERVICES[name].get("x-no-healthcheck", "")
    assert has_healthcheck(SERVICES[name]) != (len(reason) > 20)


def test_the_apis_health_check_asks_for_liveness_only() -> None:
    assert "http://127.0.0.1:5000/health'" in last("Dockerfile.api", "HEALTHCHECK")


def test_postgres_writes_its_log_as_the_embedded_one_does() -> None:
    server, *words = SERVICES["postgres"]["command"]
    assert server == "postgres"
    said = dict(word.split("=") for word in words if word != "-c")
    assert said == {name: EMBEDDED[name] for name in said}
    assert "wal_compression" in said


def test_postgres_is_not_healthy_while_it_is_being_set_up() -> None:
    """Then it answers on its socket only, so the check must go by TCP."""
    assert "--host=127.0.0.1" in SERVICES["postgres"]["healthcheck"]["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"cap_add", "privileged", "pid", "network_mode", "devices"} & service.keys()
    assert any(mount.startswith("/tmp:") for mount in service["tmpfs"])


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_runs_as_root(name: str) -> None:
    """Ours: by their Dockerfile. The others' images would start as root unless told otherwise."""
    if name not in OURS:
        assert SERVICES[name]["user"] not in ("0", "root")


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_gets_time_to_stop_and_is_started_again(name: str) -> None:
    """Ours more than the 30 s after which `activity` itself ends what does not stop."""
    grace = "40s" if name in ("api", "worker") else "30s"
    assert SERVICES[name]["stop_grace_period"] == grace
    assert SERVICES[name]["restart"] == ("no" if name == "migrate" else "unless-stopped")


def test_workers_wait_for_the_migrations_and_these_for_postgres() -> None:
    worker, migrate = SERVICES["worker"]["depends_on"], SERVICES["migrate"]["depends_on"]
    assert worker["migrate"] == {"condition": "service_completed_successfully"}
    assert migrate["postgres"] == {"condition": "service_healthy"}
    assert SERVICES["migrate"]["command"] == ["activity", "migrate"]


def test_the_api_starts_while_the_database_is_away() -> None:
    assert SERVICES["api"]["depends_on"].keys() == {"queue", "control"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_can_be_replaced_and_none_of_others_floats(name: str) -> None:
    variable = VARIABLE.fullmatch(SERVICES[name]["image"])
    assert variable is not None
    default = variable[2]
    if name not in OURS:
        assert re.search(r":\d", default)


def test_migrations_run_from_the_workers_image() -> None:
    assert SERVICES["migrate"]["image"] == SERVICES["worker"]["image"]


@pytest.mark.parametrize("name", OURS)
def test_only_settings_that_exist_are_set(name: str) -> None:
    known = {f"ACTIVITY_{setting.upper()}" for setting in StorageSettings.model_fields}
    given = {key for key in SERVICES[name]["environment"] if key.startswith("ACTIVITY_")}
    assert given == {"ACTIVITY_QUEUE_URL", "ACTIVITY_CONTROL_URL", "ACTIVITY_DATABASE_URL"}
    assert given <= known


def test_no_secret_is_written_down() -> None:
    required = "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD in .env}"
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"] == required
    assert {SERVICES[name]["environment"]["PGPASSWORD"] for name in OURS} == {required}
    assert not [text for text in texts(COMPOSE) if re.search(r"://[^/\s]*:[^/\s]*@", text)]
    for dockerfile in DOCKERFILES:
        assert not re.search("PASSWORD|SECRET|TOKEN", (PROJECT / dockerfile).read_text())


def test_the_example_of_env_names_every_variable_and_no_password() -> None:
    example = (PROJECT / ".env.example").read_text()
    named = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", example, re.MULTILINE))
    used = {found[1]: found[2] for text in texts(COMPOSE) for found in VARIABLE.finditer(text)}
    assert named.pop("POSTGRES_PASSWORD") == ""
    assert used.pop("POSTGRES_PASSWORD") is None
    assert named == used


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_the_base_image_is_a_build_argument(dockerfile: str) -> None:
    assert instructions(dockerfile)[0] == ("ARG", "BASE_IMAGE=python:3.13-slim")
    bases = [arguments for name, arguments in instructions(dockerfile) if name == "FROM"]
    assert bases == ["${BASE_IMAGE} AS build", "${BASE_IMAGE}"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_an_image_runs_as_a_numeric_user_without_a_shell(dockerfile: str) -> None:
    assert last(dockerfile, "USER") == "10001:10001"
    command = json.loads(last(dockerfile, "CMD"))
    assert command[0] == "activity"
    assert last(dockerfile, "STOPSIGNAL") == "SIGTERM"
    assert {"PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"} <= set(
        last(dockerfile, "ENV").split()
    )


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_an_image_holds_only_what_the_lock_names(dockerfile: str) -> None:
    runs = [json.loads(arguments) for name, arguments in instructions(dockerfile) if name == "RUN"]
    _, dependencies, build_tool, wheel, project = runs
    for step, lock in ((dependencies, "locks/runtime.txt"), (build_tool, "locks/build.txt")):
        assert "--require-hashes" in step
        assert step[-2:] == ["-r", lock]
    assert {"--no-deps", "--no-build-isolation"} <= set(wheel)
    assert {"--no-deps", "--no-index"} <= set(project)
    assert last(dockerfile, "COPY") == "--from=build /opt/venv /opt/venv"


def test_both_images_are_built_by_the_same_steps() -> None:
    """They share their layers, and a fix to one cannot miss the other."""
    api, worker = (
        [step for step in instructions(name) if step[0] not in ("EXPOSE", "HEALTHCHECK", "CMD")]
        for name in DOCKERFILES
    )
    assert api == worker


def test_the_build_sees_the_packages_and_nothing_else() -> None:
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    allowed = {pattern[1:] for pattern in patterns if pattern.startswith("!")}
    locks = {"locks/runtime.txt", "locks/build.txt"}
    assert patterns[0] == "*"
    assert allowed == PACKAGES | locks | {"pyproject.toml", "README.md"}


def test_the_wheel_in_the_images_has_every_module_and_script(tmp_path: Path) -> None:
    """The checkout has them anyway: only an image, or this, would show one that is missing."""
    for name in (*PACKAGES, "pyproject.toml", "README.md"):
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
        copy(PROJECT / name, tmp_path / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "-w", tmp_path / "wheels", tmp_path], check=True)
    [wheel] = (tmp_path / "wheels").glob("*.whl")
    wanted = {
        path.relative_to(PROJECT).as_posix()
        for package in PACKAGES
        for path in (PROJECT / package).rglob("*")
        if path.suffix in {".py", ".lua", ".mako"}
    }
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())
