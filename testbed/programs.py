"""Run a program for a block."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def running_program(command: Sequence[object], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a program for the block, and kill it where it still runs then.

    `with Popen(...)` waits for the end of the program: a test that fails would wait for ever.
    """
    with subprocess.Popen([str(each) for each in command], **options) as process:
        try:
            yield process
        finally:
            process.kill()
