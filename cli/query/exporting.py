"""`activity query --since FILE`: write what was stored since the last run, and keep the place.

The events are written, and flushed or fsynced, before their token is kept. A run that is killed in
between leaves them to the next one: a pipe then gets them twice, a file of `--output` is first cut
back to the length that is kept beside the token.
"""

from argparse import Namespace
from pathlib import Path

from cli.errors import CannotFollow, UsageError
from cli.query import feed
from cli.query.events import json_line
from cli.query.export_output import Output, opened
from cli.query.reader import Parameters, ServiceReader
from cli.query.token_file import TokenFile, lock_of, locked


def export(reader: ServiceReader, asked: Parameters, options: Namespace) -> None:
    """Write until nothing is left; with `--follow` until the process is interrupted.

    Raises `ReadError`, `CannotExport`, `OSError`, `UsageError`.
    """
    path = Path(options.since).absolute()
    if options.output and Path(options.output).absolute() in (path, lock_of(path)):
        raise UsageError("--since and --output must be different files")
    with (
        locked(path) as tokens,
        opened(options.output, tokens) as (output, token),
    ):
        try:
            _write(reader, asked, tokens, output, token, options.follow)
        except CannotFollow as error:
            remedy = f"to begin with everything that is stored, remove {path} and give a new output"
            raise CannotFollow(f"{error}; {remedy}") from None


def _write(
    reader: ServiceReader,
    asked: Parameters,
    tokens: TokenFile,
    output: Output,
    token: str,
    goes_on: bool,
) -> None:
    while True:
        changes = feed.after(reader, asked, token, wait=goes_on)
        if changes.events:
            output.add(b"".join(map(json_line, changes.events)))
        if changes.next != token:
            tokens.write(output.place(changes.next))
        token = changes.next
        if changes.behind == 0 and not goes_on:
            return
