"""Check what the images contain and how they run, without Docker."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.compose_files import (
    COMPOSE,
    DOCKERFILES,
    EXTERNAL,
    PACKAGES,
    PROJECT,
    PROJECTS,
    SERVER_PACKAGES,
    instructions,
    last,
)

TITLE = "org.opencontainers.image.title"


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


def test_an_image_listens_for_other_machines_and_so_needs_keys() -> None:
    given = last("Dockerfile.api", "ENV").split()
    assert {"ACTIVITY_HOST=::", "ACTIVITY_AUTH=required"} <= set(given)


def test_both_images_are_built_by_the_same_steps() -> None:
    """Share the layers; a fix to one image then applies to the other."""
    api, worker = (
        [
            step
            for step in instructions(name)
            if step[0] not in ("EXPOSE", "HEALTHCHECK", "CMD") and TITLE not in step[1]
        ]
        for name in DOCKERFILES
    )
    assert api == worker


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_an_image_says_what_it_is_and_from_which_base(dockerfile: str) -> None:
    labels = " ".join(words for name, words in instructions(dockerfile) if name == "LABEL")
    assert f'{TITLE}="activity-{dockerfile.partition(".")[2]}"' in labels
    for name, value in {
        "licenses": "MIT",
        "version": "${VERSION}",
        "revision": "${REVISION}",
        "base.name": "${BASE_IMAGE}",
    }.items():
        assert f'org.opencontainers.image.{name}="{value}"' in labels
    for compose in (COMPOSE, EXTERNAL):
        arguments = compose["services"][dockerfile.partition(".")[2]]["build"]["args"]
        given = {
            words.partition("=")[0] for name, words in instructions(dockerfile) if name == "ARG"
        }
        assert arguments.keys() == given


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
