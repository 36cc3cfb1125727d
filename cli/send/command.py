"""Run `activity send` or `activity import` with its options, and return its exit status."""

import os
import stat
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from activity_client.answers import problem_text
from activity_client.credentials import Credentials
from activity_client.errors import BadCaFile, BadUrl, GaveUp
from activity_client.transport import service_address
from cli.display_width import escaped_lines
from cli.errors import SendError, UsageError
from cli.exit_status import DONE, FAILED, INTERRUPTED
from cli.send import csv_header, single_event
from cli.send.file_source import default_checkpoint, send_file
from cli.send.input_files import found_files
from cli.send.mapping import parse_mappings
from cli.send.reading import Reading
from cli.send.rejects import reasons_path
from cli.send.resume import ResumeRequest
from cli.send.run import RunResult, SendOptions
from cli.send.stream_source import StreamPart, parse_resume_id, send_stream
from cli.send.summary import Summary, files_as_json, next_step, summary
from cli.settings import option_name

STANDARD_INPUT = "-"

_BATCH, _CONNECTIONS = 1_000, 2
_SENT_BEFORE = "nothing to do: every line was already sent (--restart sends the file again)"
_IMPORTED_BEFORE = (
    "nothing to do: every line was already imported (--restart imports the file again)"
)


class Service(NamedTuple):
    """Which service the events go to. `ca`: certificates to trust (None: the system's)."""

    url: str
    key: Credentials
    ca: Path | None


class Ended(NamedTuple):
    """How the run of one input ended: its summary, its exit status, and what to print besides."""

    summary: Summary
    status: int
    was_sent_before: bool
    error: str | None


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


def send_input(service: Service, options: Namespace, imports: bool = False) -> int:
    """Send files or a stream and print the summary. Raises UsageError, SendError, OSError.

    `imports`: the events are of the past.
    """
    connections, address = options.connections or _CONNECTIONS, _address(service.url)
    send_options = SendOptions(
        address, connections, options.give_up, service.key, service.ca, imports
    )
    reading = _reading(options, imports)
    with _plain_errors():
        names = found_files(options.files)
        for name in names:
            _require_file(name)
            _require_csv(options, name, reading)
        if options.rejected and os.path.isdir(options.rejected):
            raise UsageError(f"--rejected {options.rejected} is a folder: name a file")
        if len(names) == 1:
            ended = _send(send_options, options, names[0], reading)
            _print_one(ended, options)
            return ended.status
        return _send_many(send_options, options, names, reading)


def _reading(options: Namespace, imports: bool) -> Reading:
    form = options.created_at if imports else None
    return Reading(
        options.format,
        parse_mappings(options.map or ()),
        form or "rfc3339",
        unpacks=imports,
        from_export=options.from_export,
        delimiter=options.delimiter,
        fields=csv_header.IMPORTED if imports else csv_header.SENT,
    )


def _send(send_options: SendOptions, options: Namespace, name: str, reading: Reading) -> Ended:
    if name == STANDARD_INPUT or not stat.S_ISREG(os.stat(name).st_mode):
        return _send_stream(send_options, options, name, reading)
    return _send_file(send_options, options, name, reading)


def _send_many(
    send_options: SendOptions, options: Namespace, names: Sequence[str], reading: Reading
) -> int:
    """Send one file after the other, until one can't be sent to its end."""
    _refuse(options, ("checkpoint", "rejected"), "is for one file: name only one")
    if STANDARD_INPUT in names:
        raise UsageError("- reads standard input: it can't be one of several files")
    all_ended = []
    for name in names:
        ended = _send(send_options, options, name, reading)
        all_ended.append((name, ended))
        if not options.json:
            print(f"{escaped_lines(name)}:")
            _print_one(ended, options)
        if ended.error:
            break
    if options.json:
        _print_errors(ended)
        print(files_as_json([(name, ended.summary) for name, ended in all_ended], len(names)))
    if ended.error:
        return ended.status
    return max(ended.status for _, ended in all_ended)


def _require_file(name: str) -> None:
    """Raise UsageError for a folder, SendError for a file that does not exist."""
    if name != STANDARD_INPUT and os.path.isdir(name):
        raise UsageError(f"{name} is a folder: name a file, or - for standard input")
    if name != STANDARD_INPUT and not os.path.exists(name):
        raise SendError(f"there is no file {name}")


def _require_csv(options: Namespace, name: str, reading: Reading) -> None:
    if reading.form_of(name) != "csv":
        _refuse(
            options, ("delimiter", "from_export"), f"is for CSV, and {name} is not: --format csv"
        )


def _send_file(send_options: SendOptions, options: Namespace, name: str, reading: Reading) -> Ended:
    _refuse(
        options,
        ("skip_lines", "run_id"),
        "is for standard input; run the same command again to continue a file",
    )
    file = Path(name).resolve()
    request = ResumeRequest(
        send_options.url,
        file,
        options.batch or _BATCH,
        Path(options.rejected).resolve() if options.rejected else None,
        options.restart,
        options.continue_anyway,
        send_options.credentials.key_id,
        reading,
        send_options.imports,
    )
    given = options.checkpoint
    default = default_checkpoint(file, send_options.imports)
    checkpoint = Path(given).resolve() if given else default
    written = [request.rejected, reasons_path(request.rejected)] if request.rejected else []
    if len({file, checkpoint, *written}) < 2 + len(written):
        raise UsageError("FILE, --rejected and --checkpoint must be different files")
    result = send_file(send_options, request, checkpoint)
    without = " without --restart" if options.restart else ""
    how = f"run the same command again{without} to continue"
    return _conclude(options, result, send_options, name, how, reading.unit_of(name))


def _send_stream(
    send_options: SendOptions, options: Namespace, name: str, reading: Reading
) -> Ended:
    for_files = ("checkpoint", "restart", "continue_anyway")
    _refuse(options, for_files, "is for a file; standard input has no checkpoint")
    resumed = parse_resume_id(options.run_id) if options.run_id else ("", ())
    if resumed is None:
        raise UsageError("--run-id is not a run ID: give it as the interrupted run printed it")
    run_id, part_ends = resumed
    rejected = Path(options.rejected) if options.rejected else None
    part = StreamPart(
        options.batch or _BATCH, options.skip_lines or 0, run_id, rejected, part_ends, reading
    )
    result, run_id = send_stream(send_options, part, _open(name))
    batch = f" --batch {options.batch}" if options.batch else ""
    where = f"--skip-lines {result.tally.lines} --run-id {run_id}{batch}"
    verb = "import" if send_options.imports else "send"
    how = f"{verb} the same input with {where} to continue"
    return _conclude(options, result, send_options, name, how, reading.unit_of(name))


def _conclude(
    options: Namespace,
    result: RunResult,
    send_options: SendOptions,
    name: str,
    how: str,
    unit: str,
) -> Ended:
    file = None if name == STANDARD_INPUT else name
    step = None
    if result.is_complete and result.tally.rejected:
        step = next_step(result, file, options.rejected, options.url, send_options.command)
    report = summary(send_options.url, result, step, send_options.imports)
    if result.is_complete:
        status = FAILED if report.rejected else DONE
        return Ended(report, status, result.was_sent_before, None)
    status = INTERRUPTED if result.interrupted else FAILED
    return Ended(report, status, result.was_sent_before, _incomplete(result, report, how, unit))


def _incomplete(result: RunResult, report: Summary, how_to_continue: str, unit: str) -> str:
    """Say where a run stopped, and how to go on."""
    what = "interrupted" if result.interrupted else f"{result.last_error}; stopped"
    nothing = result.took_nothing and not report.lines
    where = "before any event was accepted" if nothing else f"after {unit} {report.lines:,}"
    how = "run the command again" if nothing else how_to_continue
    return f"activity: {what} {where}; {how}"


def _print_one(ended: Ended, options: Namespace) -> None:
    if ended.was_sent_before:
        imports = ended.summary.run_duplicates is not None
        before = _IMPORTED_BEFORE if imports else _SENT_BEFORE
        print(before, file=sys.stderr if options.json else sys.stdout)
    if options.json or not ended.was_sent_before:
        summary = ended.summary
        print(summary.as_json() if options.json else escaped_lines(summary.as_text()))
    _print_errors(ended)


def _print_errors(ended: Ended) -> None:
    if ended.error:
        print(escaped_lines(ended.error), file=sys.stderr)


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
