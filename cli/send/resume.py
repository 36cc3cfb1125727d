"""Start a run of a file, or resume the interrupted one.

A finished run leaves its checkpoint. The next run checks that every accepted line is unchanged, and
sends only lines that were not accepted.
"""

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from cli.errors import CannotResume
from cli.quantities import counted, duration
from cli.send import checkpoint, checkpoint_folder
from cli.send.checkpoint import Checkpoint, Plan, Position
from cli.send.chunks import Chunks
from cli.send.line_history import LineHistory, Match
from cli.send.line_reader import LineReader
from cli.send.reading import Reading, options_of
from cli.send.rejects import Written, refuse_to_overwrite

KEYS_KEPT_SECONDS = 23 * 3600
"""The service forgets idempotency keys after 24 hours, and the last requests of a run may be
older than its checkpoint."""

_ANOTHER = ": choose another with --checkpoint FILE"
_START = Position(0, 0, 0, 0, "", 0.0)


@dataclass(frozen=True)
class ResumeRequest:
    """The options of this call. `anyway`: continue although the service may store lines twice.

    `key_id` is the public id of the API key, "" if there is none. `reading`: how lines are made of
    the file. `imports`: the service recognises every event, so that nothing is stored twice.
    """

    url: str
    file: Path
    batch: int
    rejected: Path | None
    restart: bool
    anyway: bool
    key_id: str = ""
    reading: Reading = field(default_factory=Reading)
    imports: bool = False

    @property
    def reading_text(self) -> str:
        """Return how lines are made of the file, as a checkpoint has it."""
        return self.reading.text(self.file.name)


@dataclass(frozen=True)
class StartedRun:
    """A run whose checkpoint is on disk.

    `is_new`: this call started it. `finished`: the earlier run of the same file whose checkpoint it
    replaced. `is_sent`: the run has already sent the whole file.
    """

    run: Checkpoint
    is_new: bool
    finished: Checkpoint | None = None
    is_sent: bool = False


def start_or_resume(
    path: Path, request: ResumeRequest, file: BinaryIO, show: Callable[[str], None]
) -> StartedRun:
    """Return the interrupted run of the checkpoint, or start a new run.

    Raises CannotResume or SendError with the remedy, OSError.
    """
    found = None if request.restart else checkpoint.read(path)
    if found is not None and found.is_finished and checkpoint_folder.is_old(found.position.at):
        found = None
    is_read_anew = found is not None and _is_read_anew(found, request)
    if found and request.imports and not is_read_anew:
        difference = _difference(found, request, file)
        if difference:
            show(f"{difference}: importing all of it; no event is stored twice")
            found = None
    if found is not None and not found.is_finished and not is_read_anew:
        _check(found, request, file, path)
        return StartedRun(_continued(found, request, path), is_new=False)
    open_lines = None
    if found is not None and not is_read_anew:
        open_lines = _open_lines(found, request, file, path, show)
    if found and open_lines == found.position.rejected == 0 and found.position.lines:
        return StartedRun(found, is_new=False, is_sent=True)
    finished = None if open_lines is None else found
    if not request.restart:
        refuse_to_overwrite(request.rejected, _written(found, request))
    run = _new_run(finished, request, file)
    checkpoint.write(path, run)
    return StartedRun(run, is_new=True, finished=finished)


def _new_run(finished: Checkpoint | None, request: ResumeRequest, file: BinaryIO) -> Checkpoint:
    """Return a new run of the lines that the finished run did not store, or of all lines."""
    # A history of its own: it grows with the run, and a process may run one file after the other.
    start = replace(_START, at=time.time(), history=LineHistory())
    plan = _plan(request, file)
    if finished is None:
        return Checkpoint(plan, start, key_id=request.key_id)
    earlier = finished.position.history
    history = LineHistory(checksum=earlier.checksum, marks=earlier.marks)
    start = replace(start, accepted=finished.position.accepted, history=history)
    return Checkpoint(replace(plan, earlier=earlier), start, key_id=request.key_id)


def _continued(found: Checkpoint, request: ResumeRequest, path: Path) -> Checkpoint:
    """Record which API key is used, before anything is sent with it."""
    run = replace(found, is_certain=False, key_id=request.key_id)
    if run.is_certain != found.is_certain or run.key_id != found.key_id:
        at = time.time() if found.is_certain else found.position.at
        run = replace(run, position=replace(run.position, at=at))
        checkpoint.write(path, run)
    return run


def _open_lines(
    found: Checkpoint,
    request: ResumeRequest,
    file: BinaryIO,
    path: Path,
    show: Callable[[str], None],
) -> int | None:
    """Return the number of lines that the finished run did not store.

    Returns None for another file of the same name. Raises CannotResume unless the file still
    contains every stored line, unchanged and in its place.
    """
    plan, position = found.plan, found.position
    if plan.file != str(request.file):
        raise CannotResume(f"{path} is the checkpoint of an earlier run of {plan.file}{_ANOTHER}")
    if plan.url != request.url:
        raise CannotResume(_other_address(position, plan.url, request.url))
    file.seek(0)
    match, open_lines = position.history.compare(Chunks(file, request.batch))
    if match is Match.CHANGED and not request.imports:
        raise CannotResume(_changed(position, request.file))
    if match is not Match.UNCHANGED:
        sent, sending = ("imported", "importing") if request.imports else ("sent", "sending")
        show(f"this is not the file that was {sent} under this name before: {sending} all of it")
        return None
    return open_lines


def _other_address(position: Position, url: str, request: str) -> str:
    rest = f"Send the lines that it rejected with --url {url}; to" if position.rejected else "To"
    return (
        f"an earlier run stored {counted(position.accepted, 'line')} of this file at {url}. {rest} "
        f"send the whole file to {request}, choose another checkpoint with --checkpoint FILE"
    )


def _changed(position: Position, file: Path) -> str:
    stored_twice = f"{counted(position.accepted, 'line')} will then be stored twice"
    restart = f"or send the whole file with --restart: {stored_twice}"
    if position.history.too_many:
        return (
            f"an earlier run of {file} rejected too many lines to remember each of them, or the "
            f"file has changed. Send the corrected lines in a separate file; {restart}"
        )
    if not position.rejected:
        return (
            f"{file} was sent whole before, and has changed since: stored lines were changed, "
            "moved or removed (only lines added at the end can be sent alone). Send the new "
            f"lines in a separate file; {restart}"
        )
    return (
        f"{file} has changed outside its rejected lines: stored lines were changed, moved or "
        "removed. Correct each rejected line in its place (a blank line leaves it out); or send "
        f"the corrected lines in a separate file; {restart}"
    )


def _written(found: Checkpoint | None, request: ResumeRequest) -> Written:
    """Return what a finished run wrote to the file for rejected lines."""
    if found is None or found.plan.rejected != _text(request.rejected):
        return Written()
    return found.position.written


def _plan(request: ResumeRequest, file: BinaryIO) -> Plan:
    size = size_of(file)
    return Plan(
        secrets.token_hex(12),
        request.url,
        str(request.file),
        size,
        checkpoint.head_digest(file, size),
        request.batch,
        _text(request.rejected),
        reading=request.reading_text,
    )


def size_of(file: BinaryIO) -> int:
    """Return the size of a file; UNKNOWN_SIZE if its lines are made while it is read."""
    if isinstance(file, LineReader):
        return checkpoint.UNKNOWN_SIZE
    return os.fstat(file.fileno()).st_size


def _is_read_anew(found: Checkpoint, request: ResumeRequest) -> bool:
    """Return whether this call makes other lines of the file, and a run that stored none did.

    Raises CannotResume if the run may have stored lines: of the same rows there would be other
    events beside them, under other keys and ids.
    """
    plan = found.plan
    is_same_run = (plan.file, plan.url) == (str(request.file), request.url)
    if not is_same_run or plan.reading == request.reading_text:
        return False
    if found.may_have_stored:
        raise CannotResume(_read_otherwise(found, request))
    return True


def _read_otherwise(found: Checkpoint, request: ResumeRequest) -> str:
    position, its = found.position, options_of(found.plan.reading)
    stored = counted(position.accepted, "line") if position.accepted else "perhaps some lines"
    run = "an earlier run" if found.is_finished else "the interrupted run"
    verb = "import" if request.imports else "send"
    rest = ", or its rejected lines, corrected, as a file of their own" if position.rejected else ""
    return (
        f"{run} stored {stored} of this file with `{its}`, and this command reads it with "
        f"`{options_of(request.reading_text)}`: that makes other events, beside those that are "
        f"stored. Run the command with `{its}`{rest}. Or {verb} the whole file as it is read now "
        "with --restart: those lines are then stored twice"
    )


def _difference(found: Checkpoint, request: ResumeRequest, file: BinaryIO) -> str | None:
    """Return why an import must begin anew; None if it can go on from there."""
    plan = found.plan
    if plan.file != str(request.file):
        return f"the checkpoint is that of {plan.file}"
    if plan.url != request.url:
        return f"the file was imported into {plan.url} before, and not into {request.url}"
    if plan.rejected != _text(request.rejected):
        return "the earlier run had another --rejected"
    if not found.is_finished and not _is_the_same(found, file):
        return "the file has changed since the interrupted run"
    return None


def _check(found: Checkpoint, request: ResumeRequest, file: BinaryIO, path: Path) -> None:
    plan, position = found.plan, found.position
    if plan.file != str(request.file):
        raise CannotResume(
            f"{path} is the checkpoint of an interrupted run of {plan.file}{_ANOTHER}"
        )
    if plan.url != request.url:
        raise CannotResume(
            f"the interrupted run sent {_progress(position)} to {plan.url}, not to {request.url}: "
            f"continue it with --url {plan.url}, or send the whole file with --restart"
        )
    if plan.rejected != _text(request.rejected):
        used, remedy = (
            (f"--rejected {plan.rejected}", "with that option")
            if plan.rejected
            else ("no --rejected", "without that option")
        )
        raise CannotResume(
            f"the interrupted run used {used}: continue it {remedy}, or send the whole file with "
            "--restart"
        )
    if not _is_the_same(found, file):
        raise CannotResume(
            f"{request.file} has changed since an interrupted run sent {_progress(position)} of "
            "it, so the run can't be continued. Restore the file and let the run finish; correct "
            "lines after that. Or send the whole file with --restart: what that run sent will then "
            "be stored twice"
        )
    if not found.is_certain and not request.anyway and not request.imports:
        _check_age(position)
        _check_key(found, request.key_id)


def _progress(position: Position) -> str:
    return counted(position.lines, "line") if position.lines else "the first lines"


def _check_age(position: Position) -> None:
    age = time.time() - position.at
    if age > KEYS_KEPT_SECONDS:
        raise CannotResume(
            f"the interrupted run is {duration(age)} old, and the service recognises a repeated "
            f"request for 24 hours. Everything up to line {position.lines:,} is done. The few "
            "batches after it may be stored already, and would be stored twice. --continue-anyway "
            "continues there; --restart sends the whole file"
        )


def _check_key(found: Checkpoint, key_id: str) -> None:
    if found.key_id and found.key_id != key_id:
        raise CannotResume(
            f"the interrupted run used the API key {found.key_id}, and the service recognises a "
            "repeated request only with the same key. Everything up to line "
            f"{found.position.lines:,} is done. The few batches after it may be stored already, "
            "and would be stored twice. Continue with that key. --continue-anyway continues with "
            "this one; --restart sends the whole file"
        )


def _is_the_same(found: Checkpoint, file: BinaryIO) -> bool:
    plan, position = found.plan, found.position
    return (
        size_of(file) >= plan.size
        and checkpoint.head_digest(file, plan.size) == plan.head
        and (position.offset == 0 or checkpoint.tail_digest(file, position.offset) == position.tail)
    )


def _text(path: Path | None) -> str:
    return "" if path is None else str(path)
