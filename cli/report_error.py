"""Report an error that ends a command."""

import json
import logging
import sys

from cli.display_width import escaped_lines
from cli.errors import BadArguments, error_document, message
from storage.logs.redaction import redact
from storage.logs.setup import is_json

log = logging.getLogger(__name__)

_MAX_USAGE_LINES = 3


def report_error(error: Exception, exit_status: int, as_json: bool) -> int:
    """Print the error on standard error, and return the exit status.

    If `as_json`, print it as JSON on standard output too.
    """
    usage = _short(error.usage) if isinstance(error, BadArguments) else ""
    if is_json():  # then all that goes to standard error is
        log.critical("%s", message(error))
    else:
        print(escaped_lines(redact(f"{usage}activity: error: {message(error)}")), file=sys.stderr)
    if as_json:
        print(json.dumps(error_document(error, exit_status)))
    return exit_status


def _short(usage: str) -> str:
    """Return the usage, or where to read it if it would hide the error below it."""
    if usage.count("\n") <= _MAX_USAGE_LINES:
        return usage
    command = usage.partition(" [")[0]
    return f"{command} ... (see {command.removeprefix('usage: ')} --help)\n"
