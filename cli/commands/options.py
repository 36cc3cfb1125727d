"""Options that several subcommands share. None means: not given, the settings decide."""

from argparse import ArgumentParser


def add_data_dir(parser: ArgumentParser, meaning: str) -> None:
    """`--data-dir`."""
    parser.add_argument("--data-dir", metavar="DIR", help=meaning)


def add_address(parser: ArgumentParser) -> None:
    """`--host` and `--port`."""
    parser.add_argument("--host", help="address to listen on (ACTIVITY_HOST, 127.0.0.1)")
    parser.add_argument(
        "--port", metavar="N", help="port to listen on, 0 for any (ACTIVITY_PORT, 5000)"
    )
