"""Report an error that ends a command."""

import json
import sys

from cli.errors import BadArguments, error_document, message


def report_error(error: Exception, exit_status: int, as_json: bool) -> int:
    """Print the error on standard error, and return the exit status.

    If `as_json`, print it as JSON on standard output too.
    """
    usage = error.usage if isinstance(error, BadArguments) else ""
    print(f"{usage}activity: error: {message(error)}", file=sys.stderr)
    if as_json:
        print(json.dumps(error_document(error, exit_status)))
    return exit_status
