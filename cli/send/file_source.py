"""Send a file, each line once however often the run is interrupted."""

import hashlib
import os
import shlex
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from cli.display_width import escaped_lines
from cli.errors import SendError
from cli.quantities import counted
from cli.send import checkpoint, lock, resume
from cli.send.checkpoint import Checkpoint, Plan, Position
from cli.send.checkpoint_folder import forget_old_runs
from cli.send.checkpoint_saver import CheckpointSaver
from cli.send.chunks import Chunks, refuse_packed
from cli.send.line_reader import open_lines
from cli.send.outcome import Outcome
from cli.send.progress import Progress, Tally, progress
from cli.send.rejects import Rejects
from cli.send.resume import ResumeRequest, StartedRun
from cli.send.run import Run, RunResult, SendOptions
from cli.settings import state_folder


def default_checkpoint(file: Path, imports: bool = False) -> Path:
    """Return the default path of a file's checkpoint, in the user's state folder."""
    name = hashlib.sha256(str(file).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return state_folder() / ("import" if imports else "send") / f"{name}.json"


def send_file(send_options: SendOptions, request: ResumeRequest, path: Path) -> RunResult:
    """Send a file, or continue an interrupted run. `path` is the path of the checkpoint.

    Raises SendError (AlreadySending, CannotResume), BadUrl, OSError.
    """
    _create_folder(path.parent)
    if path == default_checkpoint(request.file, request.imports):
        forget_old_runs(path.parent)
    with (
        lock.held(lock.path_of(path)),
        request.file.open("rb") as raw,
        request.file.open("rb") as raw_check,
    ):
        if not request.reading.unpacks:
            refuse_packed(raw_check.read(4), shlex.quote(str(request.file)))
            raw_check.seek(0)
        name = str(request.file)
        file = open_lines(raw, name, request.reading)
        check = open_lines(raw_check, name, request.reading)
        started = resume.start_or_resume(path, request, check, _print_line)
        start = _tally(started.run.position)
        if started.is_sent:
            return RunResult(start, start, 0.0, was_sent_before=True)
        size = started.run.plan.size
        total = None if size == checkpoint.UNKNOWN_SIZE else size
        with closing(progress(total, start, send_options.url)) as shown:
            _show_start(shown, started, request)
            saver = CheckpointSaver(path, started.run, check)
            unit = request.reading.unit_of(name)
            result = _run(send_options, started.run, start, file, shown, saver, unit)
            return _conclude(path, started, result, shown, file)


def _conclude(
    path: Path, started: StartedRun, result: RunResult, shown: Progress, file: BinaryIO
) -> RunResult:
    """Restore the previous checkpoint if a new run stopped before any event was accepted."""
    if started.is_new and result.took_nothing and not result.is_complete:
        # There is nothing to continue: the next run may use another address.
        if started.finished is None:
            checkpoint.remove(path)
        else:
            checkpoint.write(path, started.finished)
    plan = started.run.plan
    if result.is_complete and plan.size == checkpoint.UNKNOWN_SIZE:
        _record_size(path, result.tally.offset)
    elif result.is_complete and not result.tally.rejected:
        _show_growth(shown, started.run.plan, file)
    return result


def _record_size(path: Path, size: int) -> None:
    """Record that the run is finished: only now is it known how much the file has made.

    A run that is killed before this finds nothing left to send when it is continued.
    """
    found = checkpoint.read(path)
    if found is not None:
        checkpoint.write(path, replace(found, plan=replace(found.plan, size=size)))


def _create_folder(folder: Path) -> None:
    """Create the folder of the checkpoint. Raises SendError if it can't be used."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise SendError(
            f"can't store the progress in {folder}: the folder can't be created or written to; "
            "choose another file with --checkpoint FILE"
        )


def _run(
    send_options: SendOptions,
    run: Checkpoint,
    start: Tally,
    file: BinaryIO,
    shown: Progress,
    saver: CheckpointSaver,
    unit: str,
) -> RunResult:
    plan, position = run.plan, run.position
    rejected = Path(plan.rejected) if plan.rejected else None
    wants = plan.earlier.is_open if plan.earlier else None
    history = position.history
    with Rejects(
        rejected, position.written, shown.show_line, send_options.imports, unit
    ) as rejects:

        def record(outcome: Outcome) -> None:
            rejects.add(outcome.rejected)
            history.add(outcome.last_line, outcome.lines, outcome.rejected)

        save = saver.saving(rejects, history)
        file.seek(position.offset)
        chunks = Chunks(
            file, plan.batch, position.offset, position.lines, plan.size, wants, run.part_ends
        )
        result = Run(
            send_options, plan.run_id, start, record, shown, save, saver.cut, run.settled
        ).send(chunks)
    remembers = bool(history.stretches) and not history.too_many
    return replace(result, remembers_rejected=remembers)


def _tally(position: Position) -> Tally:
    return Tally(position.offset, position.lines, position.accepted, position.rejected)


def _print_line(text: str) -> None:
    print(escaped_lines(text), file=sys.stderr, flush=True)


def _show_start(shown: Progress, started: StartedRun, request: ResumeRequest) -> None:
    plan, position = started.run.plan, started.run.position
    unit = request.reading.unit_of(str(request.file))
    if started.finished is not None:
        before = started.finished.position
        verb = "import" if request.imports else "send"
        shown.show_line(
            f"already stored and unchanged: {counted(before.accepted, 'line')}; {verb}ing rejected "
            f"lines ({before.rejected:,}) and lines added after line {before.lines:,}"
        )
    if position.offset:
        shown.show_line(f"continuing the interrupted run after {unit} {position.lines:,}")
    if plan.batch != request.batch:
        shown.show_line(f"using batches of {counted(plan.batch, 'line')}, as that run began")


def _show_growth(shown: Progress, plan: Plan, file: BinaryIO) -> None:
    growth = os.fstat(file.fileno()).st_size - plan.size
    if growth > 0:
        shown.show_line(
            f"the file has grown by {counted(growth, 'byte')} since the run began; run the same "
            "command again for the new lines"
        )
