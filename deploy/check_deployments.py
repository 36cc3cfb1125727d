"""Check the files of deployments with the tools of those who read them: `make check` runs this.

Exits with 1 if a file is not right. A tool that is missing is named, and in CI it is a failure if
`make check` or `.ci/run` should have installed it.
"""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import yaml

PROJECT = Path(__file__).parents[1]
KUBERNETES = PROJECT / "deploy/kubernetes"
UNITS = PROJECT / "deploy/systemd"
OLDEST_KUBERNETES = "1.30"
MOST_EXPOSED = 30  # of 100, as `systemd-analyze security` counts; its limit for "OK" is 50
OVERLAYS = ("base", "keda", "monitoring", "external-servers")
# Their schemas come with the cluster's operators: tests/unit/test_kubernetes.py checks them.
_OPERATORS = ("keda.sh/", "monitoring.coreos.com/")
_VARIABLE = re.compile(r"\$\{\w+(?::-([^{}]*))?(?::\?[^{}]*)?\}")


class Missing(Exception):
    """A tool is missing. `is_expected`: nothing of this project installs it."""

    def __init__(self, tool: str, is_expected: bool = False) -> None:
        super().__init__(tool)
        self.is_expected = is_expected


def program(name: str, is_expected: bool = False) -> str:
    """Return the path of a program of the virtual environment or of the machine."""
    places = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    found = shutil.which(name, path=places)
    if not found:
        raise Missing(name, is_expected)
    return found


def run(*words: object, quiet: bool = False) -> Iterator[str]:
    """Run a program; yield what it prints if it fails, or with `quiet` if it prints anything."""
    done = subprocess.run(list(map(str, words)), cwd=PROJECT, capture_output=True, text=True)
    told = done.stdout + done.stderr
    if done.returncode or (quiet and told):
        yield told


def dockerfiles() -> Iterator[str]:
    """Lint the Dockerfiles, also those of the container tests."""
    stand_ins = PROJECT.glob("tests/containers/stand-ins/*/Dockerfile")
    yield from run(program("hadolint"), *PROJECT.glob("Dockerfile.*"), *stand_ins)


def shell_scripts() -> Iterator[str]:
    """Lint every shell script that git knows or would know."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    scripts = [PROJECT / name for name in filter(None, names.split("\0"))]
    found = [path for path in scripts if path.is_file() and _is_shell(path)]
    yield from run(program("shellcheck"), *found)


def _is_shell(path: Path) -> bool:
    with path.open("rb") as file:
        return bool(re.match(rb"#!.*\b(ba)?sh\b", file.readline(80)))


def compose_schema() -> Iterator[str]:
    """Check the compose files against the specification; unknown fields are errors."""
    if not find_spec("compose_spec"):
        raise Missing("compose-spec")
    read = importlib.import_module("compose_spec").PyCompose
    for path in PROJECT.glob("compose*.yaml"):
        text = _VARIABLE.sub(lambda found: found[1] or "x", path.read_text())
        try:  # as JSON: the reader of YAML knows no merge keys
            read.from_json(json.dumps(yaml.safe_load(text))).validate()
        except ValueError as error:
            yield f"{path.name}: {error}"


def compose_config() -> Iterator[str]:
    """Let Compose itself read its files, where it is."""
    docker = program("docker", is_expected=True)
    if subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        raise Missing("docker compose", is_expected=True)
    with tempfile.TemporaryDirectory() as folder:
        urls = ("DATABASE", "QUEUE", "CONTROL")
        settings = Path(folder, "settings")
        settings.write_text("".join(f"ACTIVITY_{name}_URL=scheme://host\n" for name in urls))
        for path in PROJECT.glob("compose*.yaml"):
            yield from run(
                docker, "compose", "--env-file", settings, "-f", path, "config", "-q", quiet=True
            )


def kubernetes_objects() -> Iterator[str]:
    """Check every object of Kubernetes itself; unknown fields are errors."""
    files = [path for path in KUBERNETES.rglob("*.yaml") if _is_core(path.read_text())]
    yield from _validated(*files)


def kustomized() -> Iterator[str]:
    """Build each overlay with kustomize, and check what it makes, where `kubectl` is."""
    kubectl = program("kubectl", is_expected=True)
    with tempfile.TemporaryDirectory() as folder:
        for overlay in OVERLAYS:
            words = [kubectl, "kustomize", str(KUBERNETES / overlay)]
            built = subprocess.run(words, capture_output=True, text=True)
            if built.returncode:
                yield built.stderr
            parts = [part for part in built.stdout.split("\n---\n") if _is_core(part)]
            path = Path(folder, f"{overlay}.yaml")
            path.write_text("\n---\n".join(parts))
            yield from _validated(path)


def _validated(*files: Path) -> Iterator[str]:
    validate = program("kubernetes-validate")
    yield from run(validate, "--strict", "--quiet", "-k", OLDEST_KUBERNETES, *files)


def _is_core(text: str) -> bool:
    others = ("kustomize.config.k8s.io/", *_OPERATORS)
    versions = re.findall(r"^apiVersion: (\S+)", text, re.MULTILINE)
    return bool(versions) and not versions[0].startswith(others)


def systemd_units() -> Iterator[str]:
    """Let systemd read the units, which must leave it nothing to say, and rate their exposure."""
    analyze = program("systemd-analyze")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "activity").symlink_to("/bin/true")
        units = [_installed(unit, Path(folder)) for unit in sorted(UNITS.iterdir())]
        yield from run(analyze, "verify", *units, quiet=True)
        for unit in units:
            if unit.suffix == ".service":
                limit = f"--threshold={MOST_EXPOSED}"
                yield from run(analyze, "security", "--offline=yes", limit, unit)


def _installed(unit: Path, folder: Path) -> Path:
    """Copy a unit; its program is one that exists here."""
    copy = folder / unit.name
    copy.write_text(unit.read_text().replace("/opt/activity/bin", str(folder)))
    return copy


CHECKS: tuple[Callable[[], Iterator[str]], ...] = (
    dockerfiles, shell_scripts, compose_schema, compose_config, kubernetes_objects, kustomized,
    systemd_units,
)  # fmt: skip


def main() -> int:
    """Run every check; print what is wrong and what could not be checked."""
    is_wrong = False
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        try:
            for problem in check():
                print(f"{name}: {problem}", file=sys.stderr)
                is_wrong = True
        except Missing as missing:
            print(f"not checked: {name}. {missing} is missing.")
            is_wrong |= bool(os.environ.get("CI")) and not missing.is_expected
    return int(is_wrong)


if __name__ == "__main__":
    sys.exit(main())
