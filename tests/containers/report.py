"""What a run found, as the page docs/containers-run.md: `make test-containers` writes it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.containers.engine import Engine

_HEAD = """# A run of the container tests
Written by `make test-containers` ([containers.md](containers.md#the-container-tests)); do not edit.

{engine}. The base of the images is Debian's Python. In the place of the official images of
PostgreSQL and Valkey there are stand-ins of the same version, user and paths. The engine leaves the
packet filter alone, so what `internal: true` keeps out is not tested. systemd is PID 1 of
namespaces of its own, with the network of the machine; `MemoryMax` is not tested. The machine has
two cores and was busy with other work, so the times are those of a slow machine.

| | |
|---|---|
"""


class Report:
    """The rows of the page, in the order in which they were found."""

    def __init__(self) -> None:
        self._engine = "no engine"
        self._rows: list[tuple[str, str]] = []

    def tell_versions(self, running: Engine) -> None:
        """Say which engine it was."""
        server = running.docker("version", "--format", "{{.Server.Version}}")
        compose = running.docker("compose", "version", "--short")
        self._engine = f"Docker Engine {server}, Compose {compose}"

    def add(self, what: str, result: str) -> None:
        """Add a row."""
        self._rows.append((what, result))

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add a row with the seconds that the block takes, if it ends well."""
        start = time.monotonic()
        yield
        self.add(what, f"{time.monotonic() - start:.1f} s")

    def write(self) -> None:
        """Write the page to the file that CONTAINERS_REPORT names, unless there is no row."""
        path = os.environ.get("CONTAINERS_REPORT")
        if path and self._rows:
            rows = "".join(f"| {what} | {result} |\n" for what, result in self._rows)
            Path(path).write_text(_HEAD.format(engine=self._engine) + rows)
