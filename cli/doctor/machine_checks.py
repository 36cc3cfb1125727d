"""Checks of the disks and of the log files."""

import shlex
from pathlib import Path

from cli.doctor.check import Check, Finding, fault, ok, warning
from cli.doctor.errors import NotKnown
from cli.doctor.machine import disk_of
from cli.doctor.redis_facts import RedisFacts
from cli.doctor.server_checks import of_each_server
from cli.doctor.subject import Subject
from cli.embedded.log_file import MAX_BYTES
from cli.quantities import counted, size

GIB = 1 << 30
_LOW = (0.15, 20 * GIB)  # of the disk, but at most
_VERY_LOW = (0.05, 5 * GIB)
_MAX_LOG_BYTES = 2 * MAX_BYTES  # a run rotates a file at half of it


def _queue_disk(_: Subject, queue: RedisFacts) -> Finding:
    return _disk("the queue", queue.folder, "the queue's writes, and so every event")


def _database_disk(subject: Subject) -> Finding:
    return _disk("PostgreSQL", subject.database.folder, "PostgreSQL's writes, and events wait")


def _disk(name: str, folder: Path, harm: str) -> Finding:
    disk = disk_of(folder)
    share = disk.free / disk.size if disk.size else 0.0
    text = f"the disk of {name} ({folder}) has {size(disk.free)} free ({share:.0%})"
    if disk.free < _bound(disk.size, _VERY_LOW):
        return fault(f"{text}; a full disk refuses {harm}", _make_room(folder))
    if disk.free < _bound(disk.size, _LOW):
        return warning(text, _make_room(folder))
    return ok(text)


def _bound(size_bytes: int, limit: tuple[float, int]) -> float:
    share, most = limit
    return min(share * size_bytes, most)


def _make_room(folder: Path) -> str:
    return f"make room, or move the data to a larger disk: df -h {shlex.quote(str(folder))}"


def _logs(subject: Subject) -> Finding:
    if subject.run is None:
        raise NotKnown("no data folder is given; your own servers keep their logs elsewhere")
    folder = subject.run.folder / "log"
    sizes = {path: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    total = f"{counted(len(sizes), 'log')} in {folder} take {size(sum(sizes.values()))}"
    largest = max(sizes, key=lambda path: sizes[path], default=folder)
    if sizes.get(largest, 0) <= _MAX_LOG_BYTES:
        return ok(total)
    return warning(
        f"{largest} has {size(sizes[largest])}, and the run should keep it at {size(MAX_BYTES)}",
        f"truncate -s 0 {shlex.quote(str(largest))}, and look into it for what repeats",
    )


def _described(limit: tuple[float, int]) -> str:
    share, most = limit
    return f"under {share:.0%} and {most // GIB} GiB"


CHECKS = (
    Check(
        "queue-disk",
        "free space",
        _described(_LOW),
        _described(_VERY_LOW),
        of_each_server(_queue_disk),
    ),
    Check("database-disk", "free space", _described(_LOW), _described(_VERY_LOW), _database_disk),
    Check(
        "log-size", "files in `log/` of the data folder", f"over {size(_MAX_LOG_BYTES)}", "", _logs
    ),
)
