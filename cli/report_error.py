"""Report an error that ends a command."""

import json
import logging
import sys

from cli.errors import BadArguments, error_document, message
from storage.logs.redaction import redact
from storage.logs.setup import is_json

log = logging.getLogger(__name__)


def report_error(error: Exception, exit_status: int, as_json: bool) -> int:
    """Print the error on standard error, and return the exit status.

    If `as_json`, print it as JSON on standard output too.
    """
    usage = error.usage if isinstance(error, BadArguments) else ""
    if is_json():  # then all that goes to standard error is
        log.critical("%s", message(error))
    else:
        print(redact(f"{usage}activity: error: {message(error)}"), file=sys.stderr)
    if as_json:
        print(json.dumps(error_document(error, exit_status)))
    return exit_status
