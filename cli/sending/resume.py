"""Beginning a run of a file, or going on with the one that was interrupted."""

import os
import secrets
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from cli.errors import CannotResume
from cli.sending import checkpoint
from cli.sending.checkpoint import Checkpoint, Plan, Position

KEYS_KEPT_SECONDS = 23 * 3600
"""The service forgets keys after 24 hours; what was under way may be older than the checkpoint."""

_START = Position(0, 0, 0, 0, "", 0, 0.0)


@dataclass(frozen=True)
class Wanted:
    """What this call asks for; `anyway`: go on although keys may be forgotten."""

    url: str
    file: Path
    batch: int
    rejected: Path | None
    restart: bool
    anyway: bool


def begin(path: Path, wanted: Wanted, file: BinaryIO) -> Checkpoint:
    """The run to go on with, as the checkpoint says, or a new one, which is then on disk.

    Raises CannotResume with what to do about it, OSError.
    """
    found = None if wanted.restart else checkpoint.read(path)
    if found is not None:
        _check(found, wanted, file, path)
        return found
    started = Checkpoint(_plan(wanted, file), replace(_START, at=time.time()))
    checkpoint.write(path, started)
    return started


def _plan(wanted: Wanted, file: BinaryIO) -> Plan:
    size = os.fstat(file.fileno()).st_size
    return Plan(
        secrets.token_hex(12),
        wanted.url,
        str(wanted.file),
        size,
        checkpoint.head_digest(file, size),
        wanted.batch,
        _text(wanted.rejected),
    )


def _check(found: Checkpoint, wanted: Wanted, file: BinaryIO, path: Path) -> None:
    plan, position = found.plan, found.position
    after = f"an interrupted run {_done(position)}"
    if plan.file != str(wanted.file):
        raise CannotResume(f"{path} is the checkpoint of an interrupted run of {plan.file}")
    if plan.url != wanted.url:
        raise CannotResume(
            f"{after} to {plan.url}, not to {wanted.url}: go on with --url {plan.url}, or send "
            "the whole file with --restart"
        )
    if plan.rejected != _text(wanted.rejected):
        told = f"--rejected {plan.rejected}" if plan.rejected else "no --rejected"
        raise CannotResume(
            f"{after} with {told}: go on with that, or send the whole file with --restart"
        )
    if not _is_the_same(found, file):
        raise CannotResume(
            f"{wanted.file} has changed since {after}: what is there now can't be gone on with. "
            f"Send all of it with --restart; {_twice(position)} is then there twice"
        )
    _check_age(position, wanted.anyway)


def _done(position: Position) -> str:
    if position.lines:
        return f"has sent {position.lines:,} lines of it"
    return "has begun to send it"


def _twice(position: Position) -> str:
    return "what was sent before" if position.lines else "what of it arrived without an answer"


def _check_age(position: Position, anyway: bool) -> None:
    hours = (time.time() - position.at) / 3600
    if hours * 3600 > KEYS_KEPT_SECONDS and not anyway:
        raise CannotResume(
            f"the interrupted run is {hours:.0f} hours old, and the service remembers for 24 hours "
            f"what it was sent. Up to line {position.lines:,} all is done; of the few batches "
            "after it some may be there already, and would be stored twice. --continue-anyway "
            "goes on there, --restart sends the whole file"
        )


def _is_the_same(found: Checkpoint, file: BinaryIO) -> bool:
    plan, position = found.plan, found.position
    return (
        os.fstat(file.fileno()).st_size >= plan.size
        and checkpoint.head_digest(file, plan.size) == plan.head
        and (position.offset == 0 or checkpoint.tail_digest(file, position.offset) == position.tail)
    )


def _text(path: Path | None) -> str:
    return "" if path is None else str(path)
