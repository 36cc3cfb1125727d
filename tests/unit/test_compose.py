"""Check what an operator relies on in `compose.yaml` and the Dockerfiles, without Docker."""

import hashlib
import json
import os
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
from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from cli.embedded.postgres import SETTINGS as EMBEDDED
from cli.process.commands import API_STOP_SECONDS, WORKER_STOP_SECONDS
from storage.settings import StorageSettings
from worker.settings import WorkerSettings

PROJECT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXTERNAL: dict[str, Any] = yaml.safe_load((PROJECT / "compose.external.yaml").read_text())
EVERY_SERVICE = [
    pytest.param(service, name, id=f"{file}-{name}")
    for file, compose in (("compose", COMPOSE), ("external", EXTERNAL))
    for name, service in compose["services"].items()
]
SERVER_PACKAGES = {"api", "worker", "storage", "migrations", "cli"}
PACKAGES = SERVER_PACKAGES | {"client"}
PROJECTS = {"pyproject.toml", "setup.py", "README.md"}
OURS = ("api", "worker", "migrate")
DOCKERFILES = ("Dockerfile.api", "Dockerfile.worker")
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^{}]*))?(:\?[^{}]*)?\}")
REQUIRED = "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD in .env}"
PASSWORDS = {
    "postgres": REQUIRED,
    "queue": f"${{QUEUE_PASSWORD:-{REQUIRED}}}",
    "control": f"${{CONTROL_PASSWORD:-{REQUIRED}}}",
}
URLS = {"ACTIVITY_QUEUE_URL", "ACTIVITY_CONTROL_URL", "ACTIVITY_DATABASE_URL"}
SECRETS = {"ACTIVITY_QUEUE_PASSWORD", "ACTIVITY_CONTROL_PASSWORD", "PGPASSWORD"}


def server_options(service: str) -> dict[str, str]:
    """Return the `--name value` pairs of a Valkey server, with the variables' defaults."""
    server, *words = SERVICES[service]["command"]
    assert server == "valkey-server"
    words = [with_defaults(word) for word in words]
    return dict(zip(words[::2], words[1::2], strict=True))


def with_defaults(text: str) -> str:
    return VARIABLE.sub(lambda found: found[2] or "", text)


def texts(node: object) -> Iterator[str]:
    """Yield every text and key in a YAML document."""
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
    """Yield (instruction, arguments) in order; drops comments, joins continued lines."""
    lines = (PROJECT / dockerfile).read_text().splitlines()
    code = "\n".join(line for line in lines if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", code)
    found = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(name, arguments) for name, arguments in found]


def last(dockerfile: str, name: str) -> str:
    return [arguments for found, arguments in instructions(dockerfile) if found == name][-1]


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
    assert COMPOSE["volumes"].keys() == {"queue-data", "postgres-data"}


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


def environment_of(compose: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"][name]["environment"]
    return found


def variables(*settings: type[BaseSettings]) -> set[str]:
    return {f"ACTIVITY_{name.upper()}" for one in settings for name in one.model_fields}


@pytest.mark.parametrize("compose", [COMPOSE, EXTERNAL], ids=["compose", "external"])
def test_each_setting_of_env_reaches_those_who_read_it_and_nobody_else(
    compose: dict[str, Any],
) -> None:
    """Require a new setting in both files."""
    storage = variables(StorageSettings) | {"PGPASSWORD"}
    assert environment_of(compose, "api").keys() == storage | variables(ApiSettings) | {
        "ACTIVITY_API_PROCESSES"
    }
    assert environment_of(compose, "worker").keys() == storage | variables(WorkerSettings) | {
        "ACTIVITY_WORKERS"
    }
    assert environment_of(compose, "migrate").keys() == {"ACTIVITY_DATABASE_URL", "PGPASSWORD"}
    for name in OURS:
        assert "env_file" not in compose["services"][name]  # it would pass on all of .env
        set_here = {key for key, value in environment_of(compose, name).items() if value}
        assert set_here <= URLS | SECRETS | {"ACTIVITY_ALLOWED_HOSTS"}


def test_each_password_reaches_only_those_who_need_it() -> None:
    needed = {
        "postgres": {"POSTGRES_PASSWORD": "postgres"},
        "queue": {"REDISCLI_AUTH": "queue"},
        "control": {"REDISCLI_AUTH": "control"},
        "migrate": {"PGPASSWORD": "postgres"},
    }
    needed["api"] = needed["worker"] = {
        "PGPASSWORD": "postgres",
        "ACTIVITY_QUEUE_PASSWORD": "queue",
        "ACTIVITY_CONTROL_PASSWORD": "control",
    }
    for name, service in SERVICES.items():
        environment = service["environment"]
        given = {key: value for key, value in environment.items() if "PASSWORD" in str(value)}
        assert given == {key: PASSWORDS[whose] for key, whose in needed[name].items()}
        rest = [service[key] for key in service.keys() - {"environment"}]
        assert not [text for text in texts(rest) if "PASSWORD" in text]


def test_no_file_contains_a_secret() -> None:
    for compose in (COMPOSE, EXTERNAL):
        assert not [text for text in texts(compose) if re.search(r"://[^/\s]*:[^/\s]*@", text)]
    for dockerfile in DOCKERFILES:
        assert not re.search("PASSWORD|SECRET|TOKEN", (PROJECT / dockerfile).read_text())


@pytest.mark.parametrize("role", ["queue", "control"])
def test_valkey_lets_one_user_in_and_shows_no_password_in_ps(role: str, tmp_path: Path) -> None:
    service = SERVICES[role]
    environment = service["environment"]
    assert (environment["VALKEY_USER"], environment["VALKEY_RULES"].split()[:4]) == (
        f"activity-{role}",
        ["resetkeys", "~events:*", "resetchannels", "-@all"]
        if role == "queue"
        else ["resetkeys", "~rq:*", "~cache:*", "resetchannels"],
    )
    given = {**environment, "REDISCLI_AUTH": "p@ss %w'\"#", "PATH": os.defpath}
    words = [
        word.replace("$$", "$").replace("/tmp/", f"{tmp_path}/") for word in service["entrypoint"]
    ]
    ran = subprocess.run([*words, "echo"], env=given, capture_output=True, text=True, check=True)
    assert ran.stdout == f"--aclfile {tmp_path}/users.acl\n"
    hashed = hashlib.sha256(given["REDISCLI_AUTH"].encode()).hexdigest()
    assert (tmp_path / "users.acl").read_text().splitlines() == [
        "user default off",
        f"user activity-{role} on #{hashed} {environment['VALKEY_RULES']}",
    ]
    assert (tmp_path / "users.acl").stat().st_mode & 0o777 == 0o600


def test_the_users_of_queue_and_control_have_the_fewest_rights() -> None:
    page = (PROJECT / "docs/security.md").read_text()
    for role in ("queue", "control"):
        (block,) = re.findall(rf"```\nuser activity-{role} on >PASSWORD ([^`]*)```", page)
        words = SERVICES[role]["environment"]["VALKEY_RULES"].split()
        assert words == block.replace("\\\n", " ").split()


def test_the_example_of_env_names_every_variable_and_no_password() -> None:
    example = (PROJECT / ".env.example").read_text()
    named = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", example, re.MULTILINE))
    used = {
        found[1]: found[2] or ""
        for text in texts([COMPOSE, EXTERNAL])
        for found in VARIABLE.finditer(text)
    }
    assert named.keys() == used.keys() | {"QUEUE_PASSWORD", "CONTROL_PASSWORD"} | SECRETS
    assert {value for name, value in named.items() if "PASSWORD" in name} == {""}
    defaults = {name: value for name, value in used.items() if value}
    assert defaults == {name: named[name] for name in defaults}


def test_the_external_compose_file_differs_only_in_its_servers() -> None:
    assert EXTERNAL["services"].keys() == set(OURS)
    for name, service in EXTERNAL["services"].items():
        differs = {"networks", "depends_on", "environment"}
        same = SERVICES[name].keys() - differs
        assert service.keys() - differs == same
        assert {key: service[key] for key in same} == {key: SERVICES[name][key] for key in same}
        assert "networks" not in service
        assert environment_of(EXTERNAL, name).keys() == environment_of(COMPOSE, name).keys()
    waits = {"migrate": {"condition": "service_completed_successfully"}}
    assert EXTERNAL["services"]["worker"]["depends_on"] == waits
    assert "depends_on" not in EXTERNAL["services"]["api"]


@pytest.mark.parametrize("file", ["compose.yaml", "compose.external.yaml"])
def test_compose_itself_accepts_the_file(file: str, tmp_path: Path) -> None:
    compose: list[str | Path] = [
        "docker",
        "compose",
        "--project-directory",
        str(tmp_path),
        "-f",
        PROJECT / file,
    ]
    if not shutil.which("docker") or subprocess.run(["docker", "compose", "version"]).returncode:
        pytest.skip("no docker compose here")
    for wanted in (False, True):
        if wanted:
            urls = "".join(f"{name}=redis://host\n" for name in URLS)
            (tmp_path / ".env").write_text(f"POSTGRES_PASSWORD=p@ss/w:%41 x\n{urls}")
        done = subprocess.run(
            [*compose, "config", "-q"], cwd=tmp_path, env={"PATH": os.environ["PATH"]}
        )
        assert (done.returncode == 0) is wanted


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
    build, final, dependencies, build_tool, wheel, project = runs
    assert build == ["python3", "-m", "venv", "/opt/build"]
    assert final == ["python3", "-m", "venv", "--without-pip", "/opt/venv"]
    # Nothing is installed into the base's own Python: distributions forbid it (PEP 668).
    assert {step[0] for step in runs[2:]} == {"/opt/build/bin/pip"}
    for step, lock in ((dependencies, "locks/runtime.txt"), (build_tool, "locks/build.txt")):
        assert "--require-hashes" in step
        assert step[-2:] == ["-r", lock]
    assert {"--no-deps", "--no-build-isolation"} <= set(wheel)
    assert {"--no-deps", "--no-index"} <= set(project)
    assert last(dockerfile, "COPY") == "--from=build /opt/venv /opt/venv"


def test_both_images_are_built_by_the_same_steps() -> None:
    """Share the layers; a fix to one image then applies to the other."""
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
    assert allowed == PACKAGES | locks | PROJECTS


def test_the_wheels_in_the_images_have_every_module_and_script(tmp_path: Path) -> None:
    """Find a missing module without building an image: the checkout has all of them."""
    for name in PACKAGES | PROJECTS:
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
        copy(PROJECT / name, tmp_path / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    folders = (tmp_path / "client", tmp_path)
    subprocess.run([*build, "-w", tmp_path / "wheels", *folders], check=True)
    server, client = sorted((tmp_path / "wheels").glob("*.whl"))
    names = [set(zipfile.ZipFile(wheel).namelist()) for wheel in (client, server)]
    assert modules(PROJECT / "client", "activity_client") <= names[0]
    assert modules(PROJECT, *SERVER_PACKAGES) <= names[1]
    tops = {name.partition("/")[0] for name in names[1]}
    assert {name for name in tops if not name.endswith(".dist-info")} == SERVER_PACKAGES


def modules(root: Path, *packages: str) -> set[str]:
    """Return the files of these packages, by their names in a wheel."""
    return {
        path.relative_to(root).as_posix()
        for package in packages
        for path in (root / package).rglob("*")
        if path.suffix in {".py", ".lua", ".mako"}
    }


@pytest.mark.parametrize("compose", [COMPOSE, EXTERNAL], ids=["compose", "external"])
def test_on_one_machine_the_api_accepts_only_its_own_host_names(compose: dict[str, Any]) -> None:
    assert compose["services"]["api"]["ports"] == ["${API_LISTEN:-127.0.0.1:5000}:5000"]
    allowed = environment_of(compose, "api")["ACTIVITY_ALLOWED_HOSTS"]
    assert allowed == "${ACTIVITY_ALLOWED_HOSTS:-api}"
