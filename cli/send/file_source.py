"""A file, sent once however often the sending is interrupted."""

import hashlib
import os
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from cli.errors import SendError
from cli.send import checkpoint, lock, resume
from cli.send.checkpoint import Checkpoint, Plan, Position
from cli.send.checkpoint_folder import forget_old_runs
from cli.send.chunks import Chunks, refuse_gzip
from cli.send.line_history import LineHistory
from cli.send.outcome import Outcome
from cli.send.progress import Progress, Tally, progress
from cli.send.rejects import Rejects
from cli.send.resume import Begun, ResumeRequest
from cli.send.run import Run, RunResult, SendOptions
from cli.settings import state_folder


def usual_checkpoint(file: Path) -> Path:
    """Where the checkpoint of a file is when no place is named: in the user's state folder."""
    name = hashlib.sha256(str(file).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return state_folder() / "send" / f"{name}.json"


def send_file(send_options: SendOptions, request: ResumeRequest, at: Path) -> RunResult:
    """Send it, or what an interrupted run left of it; `at` is the checkpoint's place.

    Raises SendError (AlreadySending, CannotResume), BadUrl, OSError.
    """
    _make_folder(at.parent)
    if at == usual_checkpoint(request.file):
        forget_old_runs(at.parent)
    with (
        lock.held(lock.path_of(at)),
        request.file.open("rb") as file,
        request.file.open("rb") as other,
    ):
        refuse_gzip(other.read(2), shlex.quote(str(request.file)))
        begun = resume.begin(at, request, other, _say)
        start = _tally(begun.run.position)
        if begun.is_sent:
            return RunResult(start, start, 0.0, was_sent_before=True)
        with closing(progress(begun.run.plan.size, start)) as shown:
            _tell(shown, begun, request)
            result = _run(
                send_options, begun.run, start, file, shown, _Keeper(at, begun.run, other)
            )
            return _conclude(at, begun, result, shown, file)


def _conclude(
    at: Path, begun: Begun, result: RunResult, shown: Progress, file: BinaryIO
) -> RunResult:
    """Keep the checkpoint, but that of a run that sent nothing and did not finish."""
    if begun.is_new and result.took_nothing and not result.is_complete:
        # There is nothing to go on with: any address will do next time.
        if begun.finished is None:
            checkpoint.remove(at)
        else:
            checkpoint.write(at, begun.finished)
    if result.is_complete and not result.tally.rejected:
        _tell_of_growth(shown, begun.run.plan, file)
    return result


def _make_folder(folder: Path) -> None:
    """Raises SendError where nothing can be noted."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise SendError(
            f"how far it is can't be noted in {folder}, which can't be made or written to: name a "
            "place with --checkpoint FILE"
        )


def _run(
    send_options: SendOptions,
    begun: Checkpoint,
    start: Tally,
    file: BinaryIO,
    shown: Progress,
    keeper: "_Keeper",
) -> RunResult:
    plan, position = begun.plan, begun.position
    rejected = Path(plan.rejected) if plan.rejected else None
    wants = plan.earlier.is_open if plan.earlier else None
    history = position.history
    with Rejects(rejected, position.written, shown.say) as rejects:

        def record(outcome: Outcome) -> None:
            rejects.add(outcome.rejected)
            history.add(outcome.last_line, outcome.lines, outcome.rejected)

        run = Run(send_options, plan.run_id, start, record, shown, keeper.saving(rejects, history))
        file.seek(position.offset)
        chunks = Chunks(file, plan.batch, position.offset, position.lines, plan.size, wants)
        result = run.send(chunks)
    remembers = bool(history.stretches) and not history.too_many
    return replace(result, remembers_rejected=remembers)


class _Keeper:
    """Keeps the checkpoint of a run. Its time is that of the last progress: what is under way was
    sent after it, however often it is tried again."""

    def __init__(self, at: Path, begun: Checkpoint, file: BinaryIO) -> None:
        self._at = at
        self._plan = begun.plan
        self._offset = begun.position.offset
        self._file = file

    def saving(self, rejects: Rejects, history: LineHistory) -> Callable[[Tally], None]:
        """What to call with how far it is; rejected lines are on disk before it says so."""

        def save(tally: Tally) -> None:
            if tally.offset == self._offset:
                return
            position = Position(
                tally.offset,
                tally.lines,
                tally.accepted,
                tally.rejected,
                checkpoint.tail_digest(self._file, tally.offset),
                time.time(),
                rejects.sync(),
                history,
            )
            checkpoint.write(self._at, Checkpoint(self._plan, position))
            self._offset = tally.offset

        return save


def _tally(position: Position) -> Tally:
    return Tally(position.offset, position.lines, position.accepted, position.rejected)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _tell(shown: Progress, begun: Begun, request: ResumeRequest) -> None:
    plan, position = begun.run.plan, begun.run.position
    if begun.finished is not None:
        before = begun.finished.position
        shown.say(
            f"already stored and unchanged: {before.accepted:,}; sending what was rejected "
            f"({before.rejected:,}) or added after line {before.lines:,}"
        )
    if position.offset:
        shown.say(f"going on after line {position.lines:,}, where a run was interrupted")
    if plan.batch != request.batch:
        shown.say(f"in batches of {plan.batch:,} lines, as it began")


def _tell_of_growth(shown: Progress, plan: Plan, file: BinaryIO) -> None:
    more = os.fstat(file.fileno()).st_size - plan.size
    if more > 0:
        shown.say(
            f"the file has grown by {more:,} bytes since the run began; those were not sent. To "
            "send them, run the same command again"
        )
