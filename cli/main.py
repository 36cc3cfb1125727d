"""The `activity` command."""

import argparse
import io
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any, Protocol, cast

from cli.errors import CliError, UsageError
from cli.exit_status import BAD_USAGE, FAILED, INTERRUPTED
from cli.parser import Parser, examples
from cli.report_error import report_error
from storage.errors import SettingsError, StorageError

_QUICK = ("health", "completion")  # a probe and a shell that starts wait for them


class Subcommand(Protocol):
    """What a module below `cli.commands` offers. `EXAMPLES`: command lines, each with a comment."""

    HELP: str
    EXAMPLES: Sequence[str]

    def add(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int: ...


# Imported when needed: no command waits for the imports of the others.
COMMANDS: Mapping[str, str] = {
    "up": "cli.commands.up",
    "api": "cli.commands.api",
    "worker": "cli.commands.worker",
    "migrate": "cli.commands.migrate",
    "status": "cli.commands.status",
    "health": "cli.commands.health",
    "send": "cli.commands.send",
    "dead-letters": "cli.commands.dead_letters",
    "completion": "cli.commands.completion",
}


class _Version(argparse.Action):
    """Looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *arguments: Any) -> None:
        print(f"activity {version('activity-service')}")
        parser.exit()


def parser(names: Sequence[str] = tuple(COMMANDS)) -> Parser:
    """The commands of these names with their options."""
    top = Parser(
        prog="activity",
        description="Write-behind event ingestion and history.",
        epilog="Options override ACTIVITY_* environment variables, which override .env.\n"
        'With --json, standard output is one JSON document: the result, or {"error": {...}}.',
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in names:
        module = subcommand(name)
        end = examples(module.EXAMPLES)
        module.add(commands.add_parser(name, help=module.HELP, description=module.HELP, epilog=end))
    return top


def subcommand(name: str) -> Subcommand:
    """The module of a command."""
    return cast(Subcommand, import_module(COMMANDS[name]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand. 0 when it did what it should, 1 when it failed, 2 for bad usage."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of folders may be no text
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(stream=sys.stderr, format="activity: %(message)s")
    as_json = "--json" in given
    if not given:
        print(parser().format_help(), file=sys.stderr)
        return report_error(UsageError("name a COMMAND"), BAD_USAGE, as_json)
    try:
        options = parser(given[:1] if given[:1] and given[0] in COMMANDS else tuple(COMMANDS))
        chosen = options.parse(given)
        _warn_of_unknown_variables(chosen.command)
        return subcommand(chosen.command).run(chosen)
    except (UsageError, SettingsError) as error:
        return report_error(error, BAD_USAGE, as_json)
    except BrokenPipeError:
        # Who read our output has gone, as `head` does. Nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (CliError, StorageError, OSError) as error:
        return report_error(error, FAILED, as_json)
    except KeyboardInterrupt:
        return INTERRUPTED


def _warn_of_unknown_variables(command: str) -> None:
    if command in _QUICK:
        return
    # Here, because it imports every class of settings.
    from cli.unknown_variables import warn_of_unknown_variables

    warn_of_unknown_variables()


if __name__ == "__main__":
    sys.exit(main())
