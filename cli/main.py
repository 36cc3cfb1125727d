"""The `activity` command."""

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol

from cli.commands import api, dead_letters, health, migrate, send, status, up, worker
from cli.errors import CliError, UsageError
from storage.errors import StorageError

FAILED = 1
BAD_USAGE = 2
INTERRUPTED = 130


class Subcommand(Protocol):
    """What a module below `cli.commands` offers."""

    HELP: str

    def add(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, options: argparse.Namespace) -> int: ...


_COMMANDS: dict[str, Subcommand] = {
    "up": up,
    "api": api,
    "worker": worker,
    "migrate": migrate,
    "status": status,
    "health": health,
    "send": send,
    "dead-letters": dead_letters,
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(BAD_USAGE, f"activity: error: {message}\n")


def parser() -> argparse.ArgumentParser:
    """Every subcommand with its options."""
    top = _Parser(
        prog="activity",
        description="Write-behind event ingestion and history.",
        epilog="Options override ACTIVITY_* environment variables, which override .env.",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in _COMMANDS.items():
        module.add(commands.add_parser(name, help=module.HELP, description=module.HELP))
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand. 0 when it did what it should, 1 when it failed, 2 for bad usage."""
    options = parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, format="activity: %(message)s")
    try:
        return _COMMANDS[options.command].run(options)
    except UsageError as error:
        return _fail(error, BAD_USAGE)
    except (CliError, StorageError, OSError) as error:
        return _fail(error, FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED


def _fail(error: Exception, status: int) -> int:
    print(f"activity: error: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
