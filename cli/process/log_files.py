"""The logs of a run's own processes, in files beside those of its servers."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TypeVar

from cli.embedded.layout import Layout
from cli.embedded.log_file import LogFile
from cli.errors import NotAFile
from cli.process.supervisor import Command

ROLES = ("supervisor", "api", "worker")

Program = TypeVar("Program", bound=Command)

log = logging.getLogger(__name__)


class ProcessLogs:
    """Open files, to which every process of a role appends for itself.

    So a process needs nobody to read its log, and a kill of any of them harms no other's. A file
    that can't be opened is left out: a run is worth more than its logs.
    """

    def __init__(self, files: Mapping[str, LogFile], descriptors: Mapping[str, int]) -> None:
        self._files = files
        self._descriptors = descriptors
        self._is_reported = False

    def descriptors(self, role: str) -> Sequence[int]:
        """Return the descriptor of the role's file; nothing if it can't be opened."""
        return [self._descriptors[role]] if role in self._descriptors else []

    def of(self, role: str, programs: Sequence[Program]) -> list[Program]:
        """Return the programs of a role, so that they log to its file as well."""
        return [_with_log(program, *self.descriptors(role)) for program in programs]

    def rotate(self) -> None:
        """Empty each file that is large, after a copy. Does not wait; call it regularly."""
        for role, file in self._files.items():
            try:
                file.rotate()
            except (OSError, NotAFile) as error:
                if not self._is_reported:
                    self._is_reported = True
                    log.warning("the log of %s can't be rotated: %s", role, error)


@contextmanager
def process_logs(layout: Layout) -> Iterator[ProcessLogs]:
    """Open the files of a data folder whose lock is held, and close them after the block."""
    files = {role: LogFile(layout.log(role)) for role in ROLES}
    descriptors: dict[str, int] = {}
    with ExitStack() as stack:
        for role, file in files.items():
            try:
                file.rotate()
                descriptors[role] = stack.enter_context(file.open()).fileno()
            except (OSError, NotAFile) as error:
                log.warning("the log of %s goes to standard error only: %s", role, error)
        yield ProcessLogs({role: files[role] for role in descriptors}, descriptors)


def _with_log(program: Program, *descriptors: int) -> Program:
    argv = [*program.argv, *(word for each in descriptors for word in ("--log-fd", str(each)))]
    return replace(program, argv=argv, pass_fds=(*program.pass_fds, *descriptors))
