"""Parse the command line, run the subcommand, and turn its errors into exit statuses."""

import argparse
import io
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from typing import Any, Protocol, cast

from cli.display_width import escaped_lines
from cli.errors import CliError, Interrupted, UsageError
from cli.exit_status import BAD_USAGE, DONE, FAILED, INTERRUPTED
from cli.parser import Parser, examples
from cli.report_error import report_error
from storage.errors import SettingsError, StorageError
from storage.logs.setup import set_up_command

_RUN_ON = ("up", "api", "worker")  # supervisors: their logs are for programs too
_QUICK = ("health", "completion")  # a probe, and a starting shell, wait for them


class Subcommand(Protocol):
    """The interface of a module in `cli.commands`. `EXAMPLES` are command lines for the help."""

    HELP: str
    EXAMPLES: Sequence[str]

    def add(self, parser: Parser) -> None:
        """Describe the options."""

    def run(self, options: argparse.Namespace) -> int:
        """Run the command and return its exit status."""
        ...


# Imported when needed, so that no command waits for the imports of another.
COMMANDS: Mapping[str, str] = {
    "up": "cli.commands.up",
    "api": "cli.commands.api",
    "worker": "cli.commands.worker",
    "migrate": "cli.commands.migrate",
    "status": "cli.commands.status",
    "doctor": "cli.commands.doctor",
    "health": "cli.commands.health",
    "send": "cli.commands.send",
    "import": "cli.commands.import_",
    "query": "cli.commands.query",
    "get": "cli.commands.get",
    "sql": "cli.commands.sql",
    "dead-letters": "cli.commands.dead_letters",
    "retention": "cli.commands.retention",
    "losses": "cli.commands.losses",
    "holds": "cli.commands.holds",
    "erase": "cli.commands.erase",
    "keys": "cli.commands.keys",
    "backup": "cli.commands.backup",
    "restore": "cli.commands.restore",
    "upgrade": "cli.commands.upgrade",
    "audit": "cli.commands.audit",
    "completion": "cli.commands.completion",
}


class _Version(argparse.Action):
    """Looks the version up only for `--version`."""

    def __call__(self, parser: argparse.ArgumentParser, *arguments: Any) -> None:
        print(f"activity {version('activity-service')}")
        parser.exit()


def parser(names: Sequence[str] = tuple(COMMANDS)) -> Parser:
    """Return a parser for the commands of these names."""
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
        help_text, epilog = module.HELP, examples(module.EXAMPLES)
        module.add(commands.add_parser(name, help=help_text, description=help_text, epilog=epilog))
    return top


def subcommand(name: str) -> Subcommand:
    """Return the module of a command."""
    return cast(Subcommand, import_module(COMMANDS[name]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status (`cli.exit_status`)."""
    status = _run(arguments)
    try:
        sys.stdout.flush()
    except OSError as error:  # or Python fails at its exit, with a status of its own
        _discard_output()
        is_told = status != DONE or isinstance(error, BrokenPipeError)
        return status or (FAILED if is_told else report_error(error, FAILED, False))
    return status


def _discard_output() -> None:
    """Let what is not written go nowhere, so that the end of the process does not wait for it."""
    with suppress(io.UnsupportedOperation):  # no file: a program that calls us has replaced it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: Sequence[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # folder names need not be UTF-8
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    set_up_command("activity")
    as_json = "--json" in words and not _prints_only_events(words)
    if not words:
        print(parser().format_help(), file=sys.stderr)
        return report_error(UsageError("COMMAND is missing"), BAD_USAGE, as_json)
    try:
        names = words[:1] if words[0] in COMMANDS else tuple(COMMANDS)
        options = parser(names).parse(words)
        _start_logs(options.command)
        _warn_of_unknown_variables(options.command)
        return subcommand(options.command).run(options)
    except (UsageError, SettingsError) as error:
        return report_error(error, BAD_USAGE, as_json)
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does.
        _discard_output()
        return FAILED
    except (CliError, StorageError, OSError) as error:
        return report_error(error, FAILED, as_json)
    except KeyboardInterrupt as interruption:
        if isinstance(interruption, Interrupted):
            with suppress(OSError):  # Ctrl-C has ended the reader too
                print(escaped_lines(f"activity: interrupted{interruption}"), file=sys.stderr)
        _discard_output()  # its reader may have stopped
        return INTERRUPTED


def _prints_only_events(words: Sequence[str]) -> bool:
    """Return whether an error as JSON would be one more line among the events."""
    return words[:1] == ["query"] and any(word.startswith("--since") for word in words)


def _start_logs(command: str) -> None:
    if command in _RUN_ON:
        # Imported here: it imports the settings.
        from storage.process_logs import start_logs

        start_logs("supervisor")


def _warn_of_unknown_variables(command: str) -> None:
    if command in _QUICK:
        return
    # Imported here: it imports every settings class.
    from cli.unknown_variables import warn_of_unknown_variables

    warn_of_unknown_variables()


if __name__ == "__main__":
    sys.exit(main())
