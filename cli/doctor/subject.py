"""What is examined: the settings, the three servers, this machine, and the run on a data folder."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from api.settings import ApiSettings
from cli.doctor.database_facts import DatabaseFacts
from cli.doctor.machine import Machine
from cli.doctor.redis_facts import ControlFacts, QueueFacts
from cli.settings import load_settings
from storage.settings import StorageSettings
from worker.settings import WorkerSettings


@dataclass(frozen=True)
class RunFacts:
    """The `activity up` on a data folder: folder, address, and role and pid of its processes."""

    folder: Path
    url: str
    processes: Sequence[tuple[str, int]]

    def count(self, role: str) -> int:
        """Return the number of processes of a role."""
        return Counter(name for name, _ in self.processes)[role]


@dataclass(frozen=True)
class Subject:
    """Everything that checks look at.

    `host`: where the API listens, None if neither the run nor a setting tells; `https`: whether it
    serves HTTPS there. `run` is None without a data folder.
    """

    settings: StorageSettings
    api: ApiSettings
    worker: WorkerSettings
    host: str | None
    https: bool
    machine: Machine
    queue: QueueFacts
    control: ControlFacts
    database: DatabaseFacts
    run: RunFacts | None

    def activity(self, *words: str) -> str:
        """Return a command line of `activity` for the same servers."""
        where = ["--data-dir", str(self.run.folder)] if self.run else []
        return shlex.join(["activity", *words, *where])


@contextmanager
def open_subject(
    settings: StorageSettings, run: RunFacts | None = None, machine: Machine | None = None
) -> Iterator[Subject]:
    """Give the subject; nothing connects before it is asked. Closes the connections at the end."""
    machine = machine or Machine()
    subject = Subject(
        settings,
        ApiSettings(),
        WorkerSettings(),
        *_address(run),
        machine,
        QueueFacts(settings, machine),
        ControlFacts(settings, machine),
        DatabaseFacts(settings),
        run,
    )
    try:
        yield subject
    finally:
        for server in (subject.queue, subject.control, subject.database):
            if not server.away:  # else a thread may still wait for it
                server.close()


def _address(run: RunFacts | None) -> tuple[str | None, bool]:
    """Return where the API listens, and whether it serves HTTPS."""
    if run:
        parts = urlsplit(run.url)
        return parts.hostname, parts.scheme == "https"
    settings = load_settings({})
    host = settings.host if "host" in settings.model_fields_set else None
    return host, settings.tls_cert is not None
