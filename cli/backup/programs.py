"""Run PostgreSQL's own programs to their end: they die with us, and their words are kept."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.process.spawn import Account, kill, spawn
from cli.settings import server_environment

_MAX_BYTES = 20_000


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit status, and the end of what it printed."""

    status: int
    said: str


def run_to_end(
    argv: Sequence[str],
    account: Account | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> Ended:
    """Run a program and wait for its end, however long that takes. Main thread only.

    It is killed if an exception, such as that of Ctrl-C, ends the wait. Raises `OSError`.
    """
    with tempfile.TemporaryFile() as output:
        program = spawn(
            argv, server_environment(), pass_fds=pass_fds, account=account, cwd=cwd, output=output
        )
        try:
            status = program.wait()
        except BaseException:
            kill(program)
            raise
        output.seek(max(0, output.seek(0, 2) - _MAX_BYTES))
        return Ended(status, output.read().decode(errors="replace").strip())
