"""The entry of the console script: a probe must not wait for the imports of all the others."""

import sys
from collections.abc import Sequence

from cli.exit_status import BAD_USAGE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `activity` with these arguments; returns its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["health"]:
        return _health(given[1:])
    from cli.main import main as other

    return other(given)


def _health(arguments: Sequence[str]) -> int:
    from cli.commands import health
    from cli.errors import UsageError
    from cli.parser import Parser, examples
    from cli.report_error import report_error

    end = examples(health.EXAMPLES)
    parser = Parser("activity health", description=health.HELP, epilog=end)
    health.add(parser)
    try:
        return health.run(parser.parse(arguments))
    except UsageError as error:
        return report_error(error, BAD_USAGE, "--json" in arguments)


if __name__ == "__main__":
    sys.exit(main())
