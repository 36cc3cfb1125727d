"""The compose files and Dockerfiles as data."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

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
PASSWORD_FILES = {server: f"{server}-password" for server in ("postgres", "queue", "control")}
URLS = {"ACTIVITY_QUEUE_URL", "ACTIVITY_CONTROL_URL", "ACTIVITY_DATABASE_URL"}
_PASSWORDS = {f"ACTIVITY_{server}_PASSWORD" for server in ("QUEUE", "CONTROL", "DATABASE")}
SECRETS = {*_PASSWORDS, "PGPASSWORD"}
FILES = {f"{name}_FILE" for name in _PASSWORDS}


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


def environment_of(compose: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"][name]["environment"]
    return found


def variables(*settings: type[BaseSettings]) -> set[str]:
    return {f"ACTIVITY_{name.upper()}" for one in settings for name in one.model_fields}
