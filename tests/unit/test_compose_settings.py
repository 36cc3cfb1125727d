"""Check which settings and passwords each service of `compose.yaml` gets."""

import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from api.settings import ApiSettings
from storage.settings import LogSettings, StorageSettings
from tests.support.compose_files import (
    COMPOSE,
    DOCKERFILES,
    EXTERNAL,
    FILES,
    OURS,
    PASSWORD_FILES,
    PROJECT,
    SECRETS,
    SERVICES,
    URLS,
    VARIABLE,
    environment_of,
    texts,
    variables,
)
from worker.settings import WorkerSettings


@pytest.mark.parametrize(
    ("compose", "passwords"), [(COMPOSE, FILES), (EXTERNAL, SECRETS)], ids=["compose", "external"]
)
def test_each_setting_of_env_reaches_those_who_read_it_and_nobody_else(
    compose: dict[str, Any], passwords: set[str]
) -> None:
    """Require a new setting in both files."""
    storage = (variables(StorageSettings) | variables(LogSettings)) - SECRETS | passwords
    assert environment_of(compose, "api").keys() == storage | variables(ApiSettings) | {
        "ACTIVITY_API_PROCESSES"
    }
    assert environment_of(compose, "worker").keys() == storage | variables(WorkerSettings) | {
        "ACTIVITY_WORKERS"
    }
    of_database = {name for name in passwords if name.startswith(("ACTIVITY_DATABASE", "PG"))}
    assert environment_of(compose, "migrate").keys() == of_database | {
        "ACTIVITY_DATABASE_URL",
        "ACTIVITY_ADMIN_KEY_FILE",
    }
    for name in OURS:
        assert "env_file" not in compose["services"][name]  # it would pass on all of .env
        set_here = {key for key, value in environment_of(compose, name).items() if value}
        assert set_here <= URLS | passwords | {
            "ACTIVITY_ADMIN_KEY_FILE",
            "ACTIVITY_ALLOWED_HOSTS",
            "ACTIVITY_AUTH",
        }


def mounted(service: dict[str, Any]) -> dict[str, str]:
    """Return the secrets of a service, each with the name of its file in `/run/secrets`."""
    listed = service.get("secrets", [])
    pairs = ((each, each) if isinstance(each, str) else (each["source"], each["target"])
             for each in listed)  # fmt: skip
    return dict(pairs)


def test_each_password_reaches_only_those_who_need_it() -> None:
    """And as a file: `docker inspect` shows no password."""
    needed = {
        "postgres": {"POSTGRES_PASSWORD_FILE": "postgres"},
        "queue": {},
        "control": {},
        "migrate": {"ACTIVITY_DATABASE_PASSWORD_FILE": "postgres"},
    }
    needed["api"] = needed["worker"] = {
        "ACTIVITY_DATABASE_PASSWORD_FILE": "postgres",
        "ACTIVITY_QUEUE_PASSWORD_FILE": "queue",
        "ACTIVITY_CONTROL_PASSWORD_FILE": "control",
    }
    for name, service in SERVICES.items():
        files = mounted(service)
        given = {key: value for key, value in service["environment"].items() if "PASSWORD" in key}
        assert given == {
            key: f"/run/secrets/{PASSWORD_FILES[whose]}" for key, whose in needed[name].items()
        }
        if name in ("queue", "control"):
            assert files == {PASSWORD_FILES[name]: "password"}
        else:
            assert files == {
                PASSWORD_FILES[whose]: PASSWORD_FILES[whose] for whose in needed[name].values()
            }
        assert not [
            text for text in texts(service["environment"]) if re.search(r"\$\{\w*PASSWORD", text)
        ]


def test_each_password_is_a_file_of_one_folder() -> None:
    """Not a variable: Compose can't add such a secret to a read-only container."""
    folder = "${SECRETS_FOLDER:-./secrets}"
    wanted = {name: {"file": f"{folder}/{name}"} for name in PASSWORD_FILES.values()}
    assert COMPOSE["secrets"] == wanted
    assert "/secrets/" in (PROJECT / ".gitignore").read_text().splitlines()


def test_a_command_makes_passwords_that_differ_and_keeps_those_that_are_there(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "secrets"

    def make() -> list[str]:
        command = [PROJECT / "deploy/compose/make-secrets", folder]
        subprocess.run(command, check=True, capture_output=True)
        return [(folder / name).read_text() for name in PASSWORD_FILES.values()]

    first = make()
    assert len(set(first)) == 3
    assert all(re.fullmatch("[0-9a-f]{48}", password) for password in first)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}
    (folder / PASSWORD_FILES["queue"]).unlink()
    second = make()
    assert [before == now for before, now in zip(first, second, strict=True)] == [True, False, True]


def test_no_file_contains_a_secret() -> None:
    for compose in (COMPOSE, EXTERNAL):
        assert not [text for text in texts(compose) if re.search(r"://[^/\s]*:[^/\s]*@", text)]
    for dockerfile in DOCKERFILES:
        assert not re.search("PASSWORD|SECRET|TOKEN", (PROJECT / dockerfile).read_text())


KEYS = {
    "queue": ["~events:*", "~keys", "~keys:*"],
    "control": ["~rq:*", "~cache:*", "~limit:*", "~rates:*", "~session:*"],
}


@pytest.mark.parametrize("role", ["queue", "control"])
def test_valkey_lets_one_user_in_and_shows_no_password_in_ps(role: str, tmp_path: Path) -> None:
    service = SERVICES[role]
    environment = service["environment"]
    assert environment["VALKEY_USER"] == f"activity-{role}"
    rules = environment["VALKEY_RULES"].split()
    assert rules[0] == "resetkeys"
    assert "resetchannels" in rules
    assert [rule for rule in rules if rule.startswith("~")] == KEYS[role]
    password = "p@ss %w'\"#"
    (tmp_path / "password").write_text(f"{password}\n")
    given = {**environment, "PATH": os.defpath}
    words = [
        word.replace("$$", "$")
        .replace("/tmp/", f"{tmp_path}/")
        .replace("/run/secrets", str(tmp_path))
        for word in service["entrypoint"]
    ]
    ran = subprocess.run([*words, "echo"], env=given, capture_output=True, text=True, check=True)
    assert ran.stdout == f"--aclfile {tmp_path}/users.acl\n"
    hashed = hashlib.sha256(password.encode()).hexdigest()
    assert (tmp_path / "users.acl").read_text().splitlines() == [
        "user default off",
        f"user activity-{role} on #{hashed} {environment['VALKEY_RULES']}",
    ]
    assert (tmp_path / "users.acl").stat().st_mode & 0o777 == 0o600
    for unfit in ("\n", None):
        (tmp_path / "password").unlink()
        if unfit:
            (tmp_path / "password").write_text(unfit)
        assert subprocess.run([*words, "echo"], env=given, capture_output=True).returncode != 0


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
    assert named.keys() == used.keys() | SECRETS
    assert {value for name, value in named.items() if "PASSWORD" in name} == {""}
    defaults = {name: value for name, value in used.items() if value}
    assert defaults == {name: named[name] for name in defaults}


@pytest.mark.parametrize("compose", [COMPOSE, EXTERNAL], ids=["compose", "external"])
def test_on_one_machine_the_api_accepts_only_its_own_host_names(compose: dict[str, Any]) -> None:
    assert compose["services"]["api"]["ports"] == ["${API_LISTEN:-127.0.0.1:5000}:5000"]
    allowed = environment_of(compose, "api")["ACTIVITY_ALLOWED_HOSTS"]
    assert allowed == "${ACTIVITY_ALLOWED_HOSTS:-api}"


@pytest.mark.parametrize("compose", [COMPOSE, EXTERNAL], ids=["compose", "external"])
def test_the_api_listens_for_other_machines_and_so_needs_keys_from_the_start(
    compose: dict[str, Any],
) -> None:
    assert environment_of(compose, "api")["ACTIVITY_AUTH"] == "${ACTIVITY_AUTH:-required}"
