"""Options that several subcommands share. None means: not given, the settings decide."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable


def add_data_dir(parser: ArgumentParser, meaning: str) -> None:
    """`--data-dir`."""
    parser.add_argument("--data-dir", metavar="DIR", help=meaning)


def add_json(parser: ArgumentParser) -> None:
    """Add `--json`, which every command has that prints a result."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_run(parser: ArgumentParser, what: str = "servers") -> None:
    """`--data-dir` of a command that speaks to a running service (`folder_of_run`)."""
    add_data_dir(
        parser, f"use the {what} of the `activity up` that runs on this folder (ACTIVITY_DATA_DIR)"
    )


def add_address(parser: ArgumentParser) -> None:
    """`--host` and `--port`."""
    parser.add_argument("--host", help="address to listen on (ACTIVITY_HOST, 127.0.0.1)")
    parser.add_argument(
        "--port", metavar="N", help="port to listen on, 0 for any (ACTIVITY_PORT, 5000)"
    )


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A type for an option: a whole number within bounds."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return parse


def seconds(text: str) -> float:
    """A type for an option: a span of time."""
    try:
        span = float(text)
    except ValueError:
        span = -1.0
    if not 0 <= span < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number of seconds")
    return span
