"""Install a peer's pinned packages once into its own folder; pip and npm as configured."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.peer import Peer

PROGRAMS = Path(__file__).with_name("programs")
_DONE = "installed"  # a copy of the list of packages, written when all of them are installed


class NotInstalled(Exception):
    """A peer can't be installed here; the message says why."""


@dataclass(frozen=True, slots=True)
class Installed:
    """The commands that run a peer's programs."""

    interpreter: str
    environment: dict[str, str]


def install(peer: Peer, folder: Path) -> Installed:
    """Return the peer below `folder`; install it if it is missing. Raises NotInstalled."""
    place = folder / peer.name
    packages = PROGRAMS / peer.packages
    for_node = packages.suffix == ".json"
    if for_node and not (shutil.which("node") and shutil.which("npm")):
        raise NotInstalled("node and npm are missing")
    done = place / _DONE
    if not done.exists() or done.read_bytes() != packages.read_bytes():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        (_install_for_node if for_node else _install_for_python)(packages, place)
        shutil.copyfile(packages, done)
    if for_node:
        return Installed("node", {"NODE_PATH": str(place / "node_modules")})
    return Installed(str(place / "bin" / "python"), {})


def _install_for_python(packages: Path, place: Path) -> None:
    _run([sys.executable, "-m", "venv", str(place)], place)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    _run([*pip, "--quiet", "-r", str(packages)], place)


def _install_for_node(packages: Path, place: Path) -> None:
    shutil.copyfile(packages, place / "package.json")
    _run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], place)


def _run(command: Sequence[str], place: Path) -> None:
    """Run the command. Raises NotInstalled with the last line of its output."""
    done = subprocess.run(
        command,
        cwd=place,
        env={**os.environ, "NO_UPDATE_NOTIFIER": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stdout.strip().splitlines() or ["nothing"]
        raise NotInstalled(f"{Path(command[0]).name} failed: {said[-1]}")
