"""A Docker Engine of Debian's packages, in a root of its own: no image registry is asked."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.waiting import wait_until

HERE = Path(__file__).parent
# Kept between runs: making it takes 5 minutes, and 3 GB.
CACHE = Path(os.environ.get("CONTAINERS_CACHE", "/var/tmp/activity-containers"))
_PROGRAMS = ("debootstrap", "unshare", "nsenter", "chroot", "setpriv")
ENDS_WITH_US = ("setpriv", "--pdeathsig", "TERM")
_CLIENT = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"


class NoEngine(Exception):
    """No engine can be had here; the text says why."""


@dataclass(frozen=True)
class Engine:
    """A running engine. Its programs run in its mount namespace, where `/tmp` is this machine's."""

    process: subprocess.Popen[bytes]
    folder: Path

    def install_client(self) -> None:
        """Put a `docker` into the folder `bin` that runs the one of the engine's root."""
        client = self.folder / "bin/docker"
        client.parent.mkdir()
        variables = f"HOME={self.folder} DOCKER_HOST=unix://{self.folder}/socket {_CLIENT}"
        client.write_text(
            f"#!/bin/sh\nexec nsenter -t {self.process.pid} -m -- env {variables} "
            'sh -c \'cd "$0" && exec docker "$@"\' "$PWD" "$@"\n'
        )
        client.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """Return an environment in which `docker` is the engine's, and nothing of ours is set."""
        return {"PATH": f"{self.folder}/bin:{os.environ['PATH']}:/usr/sbin:/sbin", "HOME": "/root"}

    def run(
        self, *words: object, cwd: Path | None = None, check: bool = True, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program with this `docker`; raise AssertionError with its output if it fails."""
        ran = subprocess.run(
            list(map(str, words)), cwd=cwd or self.folder, capture_output=True, text=True,
            env={**self.environment, **more},
        )  # fmt: skip
        told = f"{words}: {ran.stdout[-2000:]}{ran.stderr[-4000:]}"
        assert not check or ran.returncode == 0, told
        return ran

    def docker(self, *words: object, cwd: Path | None = None) -> str:
        """Run `docker`; return what it prints."""
        return self.run("docker", *words, cwd=cwd).stdout.strip()


def require() -> None:
    """Raise NoEngine if this machine can't run one."""
    if os.geteuid() != 0:
        raise NoEngine("an engine in its own root needs root")
    missing = [name for name in _PROGRAMS if not shutil.which(name)]
    if missing:
        raise NoEngine(f"not installed: {', '.join(missing)}")


def make_roots() -> None:
    """Make the engine's root, and those of the images. Raises NoEngine."""
    require()
    ran = subprocess.run([HERE / "make-roots", CACHE], capture_output=True, text=True)
    if ran.returncode:
        raise NoEngine(f"no Debian root: {(ran.stdout + ran.stderr)[-500:]}")


@contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """Run an engine whose socket and log are in a folder below /tmp. Raises NoEngine."""
    with (folder / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(
            [*ENDS_WITH_US, HERE / "run-engine", CACHE / "engine", folder / "socket"],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    running = Engine(process, folder)
    running.install_client()
    try:
        if not _answers(running):
            raise NoEngine(f"dockerd ends: {(folder / 'dockerd.log').read_text()[-500:]}")
        _remove_remains(running)
        yield running
    finally:
        process.terminate()
        process.wait(60)


def _answers(running: Engine) -> bool:
    def asked() -> bool:
        is_there = (running.folder / "socket").exists()
        return is_there and running.run("docker", "version", check=False).returncode == 0

    wait_until(lambda: asked() or running.process.poll() is not None, "the engine", 60)
    return running.process.poll() is None


def _remove_remains(running: Engine) -> None:
    """Remove the containers and volumes of a run that was killed."""
    containers = running.docker("ps", "-aq").split()
    if containers:
        running.docker("rm", "-f", "-v", *containers)
    running.docker("volume", "prune", "-af")
    running.docker("network", "prune", "-f")
