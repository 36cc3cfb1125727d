"""The entry point of the console script. `health` skips the imports of every other command."""

import sys
from collections.abc import Sequence

from cli.exit_status import BAD_USAGE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `activity` with these arguments and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["health"]:
        return _health(words[1:])
    from cli.main import main as run_command
    from storage.logs.setup import log_uncaught

    log_uncaught()
    return run_command(words)


def _health(arguments: Sequence[str]) -> int:
    from cli.commands import health
    from cli.errors import UsageError
    from cli.parser import Parser, examples
    from cli.report_error import report_error

    epilog = examples(health.EXAMPLES)
    parser = Parser("activity health", description=health.HELP, epilog=epilog)
    health.add(parser)
    try:
        return health.run(parser.parse(arguments))
    except UsageError as error:
        return report_error(error, BAD_USAGE, "--json" in arguments)


if __name__ == "__main__":
    sys.exit(main())
