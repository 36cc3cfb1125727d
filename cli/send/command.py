"""Run `activity send` with its options, and return its exit status."""

import os
import stat
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from activity_client.answers import problem_text
from activity_client.credentials import Credentials
from activity_client.errors import BadCaFile, BadUrl, GaveUp
from activity_client.transport import service_address
from cli.errors import SendError, UsageError
from cli.exit_status import DONE, FAILED, INTERRUPTED
from cli.send import single_event
from cli.send.file_source import default_checkpoint, send_file
from cli.send.rejects import reasons_path
from cli.send.resume import ResumeRequest
from cli.send.run import RunResult, SendOptions
from cli.send.stream_source import StreamPart, parse_resume_id, send_stream
from cli.send.summary import next_step, summary
from cli.settings import option_name

STANDARD_INPUT = "-"

_BATCH, _CONNECTIONS = 1_000, 2
_SENT_BEFORE = "nothing to do: every line was already sent (--restart sends the file again)"


class Service(NamedTuple):
    """Which service the events go to. `ca`: certificates to trust (None: the system's)."""

    url: str
    key: Credentials
    ca: Path | None


def send_event(service: Service, options: Namespace) -> int:
    """Send one event and print its ID. Raises UsageError, SendError."""
    line = single_event.line_of(
        options.component,
        options.environment,
        options.message,
        options.email,
        options.data,
        options.occurred_at,
    )
    with _plain_errors():
        one = SendOptions(service.url, 1, options.give_up, service.key, service.ca)
        verdict = single_event.send_one(one, line)
    if verdict.problem is not None:
        raise SendError(f"rejected: {problem_text(verdict.problem)}")
    print(single_event.as_json(verdict) if options.json else verdict.id)
    return 0


def send_input(service: Service, options: Namespace) -> int:
    """Send a file or a stream and print the summary. Raises UsageError, SendError, OSError."""
    connections, address = options.connections or _CONNECTIONS, _address(service.url)
    send_options = SendOptions(address, connections, options.give_up, service.key, service.ca)
    with _plain_errors():
        _require_file(options.file)
        if options.rejected and os.path.isdir(options.rejected):
            raise UsageError(f"--rejected {options.rejected} is a folder: name a file")
        if options.file == STANDARD_INPUT or not stat.S_ISREG(os.stat(options.file).st_mode):
            return _send_stream(send_options, options)
        return _send_file(send_options, options)


def _require_file(name: str) -> None:
    """Raise UsageError for a folder, SendError for a file that does not exist."""
    if name != STANDARD_INPUT and os.path.isdir(name):
        raise UsageError(f"{name} is a folder: name a file, or - for standard input")
    if name != STANDARD_INPUT and not os.path.exists(name):
        raise SendError(f"there is no file {name}")


def _send_file(send_options: SendOptions, options: Namespace) -> int:
    _refuse(
        options,
        ("skip_lines", "run_id"),
        "is for standard input; run the same command again to continue a file",
    )
    file = Path(options.file).resolve()
    request = ResumeRequest(
        send_options.url,
        file,
        options.batch or _BATCH,
        Path(options.rejected).resolve() if options.rejected else None,
        options.restart,
        options.continue_anyway,
        send_options.credentials.key_id,
    )
    given = options.checkpoint
    checkpoint = Path(given).resolve() if given else default_checkpoint(file)
    written = [request.rejected, reasons_path(request.rejected)] if request.rejected else []
    if len({file, checkpoint, *written}) < 2 + len(written):
        raise UsageError("FILE, --rejected and --checkpoint must be different files")
    result = send_file(send_options, request, checkpoint)
    without = " without --restart" if options.restart else ""
    return _conclude(
        options, result, send_options.url, f"run the same command again{without} to continue"
    )


def _send_stream(send_options: SendOptions, options: Namespace) -> int:
    for_files = ("checkpoint", "restart", "continue_anyway")
    _refuse(options, for_files, "is for a file; standard input has no checkpoint")
    resumed = parse_resume_id(options.run_id) if options.run_id else ("", ())
    if resumed is None:
        raise UsageError("--run-id is not a run ID: give it as the interrupted run printed it")
    run_id, part_ends = resumed
    rejected = Path(options.rejected) if options.rejected else None
    part = StreamPart(options.batch or _BATCH, options.skip_lines or 0, run_id, rejected, part_ends)
    result, run_id = send_stream(send_options, part, _open(options.file))
    batch = f" --batch {options.batch}" if options.batch else ""
    where = f"--skip-lines {result.tally.lines} --run-id {run_id}{batch}"
    how = f"send the same input with {where} to continue"
    return _conclude(options, result, send_options.url, how)


def _conclude(options: Namespace, result: RunResult, url: str, how_to_continue: str) -> int:
    file = None if options.file == STANDARD_INPUT else options.file
    needs_step = result.is_complete and result.tally.rejected
    step = next_step(result, file, options.rejected, options.url) if needs_step else None
    report = summary(url, result, step)
    if result.was_sent_before:
        print(_SENT_BEFORE, file=sys.stderr if options.json else sys.stdout)
    if options.json or not result.was_sent_before:
        print(report.as_json() if options.json else report.as_text())
    if result.is_complete:
        return FAILED if report.rejected else DONE
    what = "interrupted" if result.interrupted else f"{result.last_error}; stopped"
    nothing = result.took_nothing and not report.lines
    where = "before any event was accepted" if nothing else f"after line {report.lines:,}"
    how = "run the command again" if nothing else how_to_continue
    print(f"activity: {what} {where}; {how}", file=sys.stderr)
    return INTERRUPTED if result.interrupted else FAILED


def _address(url: str) -> str:
    """Return the normalised address. Raises UsageError."""
    with _plain_errors():
        return service_address(url)


def _refuse(options: Namespace, names: tuple[str, ...], why: str) -> None:
    for name in names:
        if getattr(options, name) not in (None, False):
            raise UsageError(f"{option_name(name)} {why}")


def _open(name: str) -> BinaryIO:
    """Open the input, never to be closed.

    A thread may be reading it at a stop signal, and closing would wait for that read. So would the
    interpreter's exit if this were sys.stdin.
    """
    descriptor = (
        sys.stdin.fileno() if name == STANDARD_INPUT else os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    )
    return open(descriptor, "rb", closefd=False)


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except BadUrl as error:
        raise UsageError(f"--url (ACTIVITY_URL): {error}") from None
    except BadCaFile as error:
        raise UsageError(f"--tls-ca (ACTIVITY_TLS_CA): {error}") from None
    except GaveUp as error:
        raise SendError(f"gave up: {error}") from None
