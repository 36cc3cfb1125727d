"""The major version of PostgreSQL that a program has, and that a folder of data needs."""

import re
import subprocess
from pathlib import Path

from cli.errors import OtherMajor, ServerFailed
from cli.safe_files import read_small
from cli.settings import server_environment

_VERSION_FILE = "PG_VERSION"
_SECONDS = 30.0
_first_number = re.compile(r"\) ([0-9]+)").search


def major_of_data(cluster: Path) -> int | None:
    """Return the major version of the server that can read these data; None without data.

    Raises `ServerFailed` for something else in the place of the version.
    """
    try:
        text = read_small(cluster / _VERSION_FILE).decode(errors="replace").strip()
    except FileNotFoundError:
        return None
    if not text.isdecimal():
        raise ServerFailed(f"{cluster / _VERSION_FILE} does not say the version of PostgreSQL")
    return int(text)


def major_of_program(program: Path) -> int:
    """Return the major version of PostgreSQL's programs. Raises `ServerFailed`, `OSError`."""
    answer = subprocess.run(  # noqa: S603 - a list of arguments, no shell
        [str(program), "--version"],
        env=server_environment(),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    found = _first_number(answer.stdout)
    if answer.returncode or found is None:
        raise ServerFailed(f"{program} does not tell its version: {answer.stderr.strip()}")
    return int(found[1])


def require_same_major(cluster: Path, postgres: Path) -> None:
    """Raise `OtherMajor` for data that this PostgreSQL can't read; the message has the remedy."""
    data = major_of_data(cluster)
    if data is None or data == (program := major_of_program(postgres)):
        return
    if data > program:
        remedy = "Install the release of this service with which the folder was used last"
    else:
        remedy = (
            "Nothing was changed. Stop what uses the folder, make a backup of it, and run: "
            "activity upgrade --data-dir DIR --old-programs DIR (docs/backup.md)"
        )
    raise OtherMajor(
        f"the data in {cluster} are of PostgreSQL {data}, and PostgreSQL {program} is installed, "
        f"which can't read them. {remedy}"
    )
