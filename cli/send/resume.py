"""Beginning a run of a file, or going on with the one that was interrupted.

A finished run leaves its checkpoint. The next run checks that every accepted line is still as it
was, and sends only what was not accepted.
"""

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from cli.errors import CannotResume
from cli.send import checkpoint, checkpoint_folder
from cli.send.checkpoint import Checkpoint, Plan, Position
from cli.send.chunks import Chunks
from cli.send.line_history import LineHistory, Match
from cli.send.rejects import Written, refuse_to_overwrite

KEYS_KEPT_SECONDS = 23 * 3600
"""The service forgets keys after 24 hours; what was under way may be older than the checkpoint."""

_START = Position(0, 0, 0, 0, "", 0.0)


@dataclass(frozen=True)
class ResumeRequest:
    """What this call asks for; `anyway`: go on although keys may be forgotten."""

    url: str
    file: Path
    batch: int
    rejected: Path | None
    restart: bool
    anyway: bool


@dataclass(frozen=True)
class Begun:
    """The run to do, which is on disk. `is_new`: this call began it. `finished`: the run whose
    checkpoint it replaced, of the same file. `is_sent`: the run sent all of the file before."""

    run: Checkpoint
    is_new: bool
    finished: Checkpoint | None = None
    is_sent: bool = False


def begin(path: Path, request: ResumeRequest, file: BinaryIO, say: Callable[[str], None]) -> Begun:
    """Return the interrupted run, as the checkpoint says, or begin a new one.

    Raises CannotResume or SendError with what to do about it, OSError.
    """
    found = None if request.restart else checkpoint.read(path)
    if found is not None and found.is_finished and checkpoint_folder.is_old(found.position.at):
        found = None
    if found is not None and not found.is_finished:
        _check(found, request, file, path)
        return Begun(found, is_new=False)
    open_lines = _open_lines(found, request, file, path, say) if found else None
    if found and open_lines == found.position.rejected == 0 and found.position.lines:
        return Begun(found, is_new=False, is_sent=True)
    finished = None if open_lines is None else found
    if not request.restart:
        refuse_to_overwrite(request.rejected, _written(found, request))
    started = _after(finished, request, file)
    checkpoint.write(path, started)
    return Begun(started, is_new=True, finished=finished)


def _after(finished: Checkpoint | None, request: ResumeRequest, file: BinaryIO) -> Checkpoint:
    """A new run over what the finished one did not store; without one, over everything."""
    plan, start = _plan(request, file), replace(_START, at=time.time())
    if finished is None:
        return Checkpoint(plan, start)
    earlier = finished.position.history
    history = LineHistory(checksum=earlier.checksum, marks=earlier.marks)
    start = replace(start, accepted=finished.position.accepted, history=history)
    return Checkpoint(replace(plan, earlier=earlier), start)


def _open_lines(
    found: Checkpoint,
    request: ResumeRequest,
    file: BinaryIO,
    path: Path,
    say: Callable[[str], None],
) -> int | None:
    """How many lines the finished run did not store, where the file still holds every line that it
    stored, each in its place. None for another file of the same name. Raises CannotResume."""
    plan, position = found.plan, found.position
    if plan.file != str(request.file):
        raise CannotResume(f"{path} is the checkpoint of an earlier run of {plan.file}")
    if plan.url != request.url:
        raise CannotResume(_other_address(position, plan.url, request.url))
    file.seek(0)
    match, open_lines = position.history.compare(Chunks(file, request.batch))
    if match is Match.CHANGED:
        raise CannotResume(_changed(position, request.file))
    if match is Match.OTHER:
        say("this is another file than the one of that name that was sent before: sending it whole")
        return None
    return open_lines


def _other_address(position: Position, url: str, request: str) -> str:
    rest = f"Send the lines that it rejected with --url {url}; to" if position.rejected else "To"
    return (
        f"an earlier run has stored {position.accepted:,} of its lines at {url}. {rest} send the "
        f"whole file to {request}, name another --checkpoint FILE"
    )


def _changed(position: Position, file: Path) -> str:
    twice = f"or send everything with --restart: {position.accepted:,} lines are then stored twice"
    if position.history.too_many:
        return (
            f"an earlier run of {file} has rejected more lines than are remembered one by one, or "
            f"the file has changed. Send the corrected lines in a file of their own; {twice}"
        )
    if not position.rejected:
        return (
            f"{file} was sent whole before, and has changed since: lines that were stored have "
            "changed, moved or gone (only lines added at the end are sent alone). Send the new "
            f"lines in a file of their own; {twice}"
        )
    lines = (
        "the rejected line"
        if position.rejected == 1
        else (f"the {position.rejected:,} rejected lines")
    )
    return (
        f"{file} has changed in more than {lines}: lines that were stored have changed, moved or "
        "gone. Correct each rejected line in its place (a blank line leaves it out); or send the "
        f"corrected lines in a file of their own; {twice}"
    )


def _written(found: Checkpoint | None, request: ResumeRequest) -> Written:
    """What a finished run has written into the file for rejected lines."""
    if found is None or found.plan.rejected != _text(request.rejected):
        return Written()
    return found.position.written


def _plan(request: ResumeRequest, file: BinaryIO) -> Plan:
    size = os.fstat(file.fileno()).st_size
    return Plan(
        secrets.token_hex(12),
        request.url,
        str(request.file),
        size,
        checkpoint.head_digest(file, size),
        request.batch,
        _text(request.rejected),
    )


def _check(found: Checkpoint, request: ResumeRequest, file: BinaryIO, path: Path) -> None:
    plan, position = found.plan, found.position
    after = f"an interrupted run {_done(position)}"
    if plan.file != str(request.file):
        raise CannotResume(f"{path} is the checkpoint of an interrupted run of {plan.file}")
    if plan.url != request.url:
        raise CannotResume(
            f"{after} to {plan.url}, not to {request.url}: go on with --url {plan.url}, or send "
            "the whole file with --restart"
        )
    if plan.rejected != _text(request.rejected):
        told = f"--rejected {plan.rejected}" if plan.rejected else "no --rejected"
        raise CannotResume(
            f"{after} with {told}: go on with that, or send the whole file with --restart"
        )
    if not _is_the_same(found, file):
        raise CannotResume(
            f"{request.file} has changed since {after}: what is there now can't be gone on with. "
            "Put back what it held and let the run finish: after that, lines can be corrected. Or "
            f"send all of it with --restart; {_twice(position)} is then there twice"
        )
    _check_age(position, request.anyway)


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
