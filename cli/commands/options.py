"""Options that several subcommands share. None means: not given, so the setting applies."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable

from api.auth.policy import INSECURE_HELP


def add_data_dir(parser: ArgumentParser, meaning: str) -> None:
    """Add `--data-dir` with this help text."""
    parser.add_argument("--data-dir", metavar="DIR", help=meaning)


def add_json(parser: ArgumentParser) -> None:
    """Add `--json`, which every command has that prints a result."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_run(parser: ArgumentParser, what: str = "servers") -> None:
    """Add `--data-dir` to a command that uses a running service (`cli.service_choice`)."""
    add_data_dir(
        parser,
        f"use the {what} of the `activity up` on this data folder (ACTIVITY_DATA_DIR, default: "
        f"the {what} of ACTIVITY_*_URL)",
    )


def add_address(parser: ArgumentParser) -> None:
    """Add `--host` and `--port`."""
    parser.add_argument("--host", help="address to listen on (ACTIVITY_HOST, default 127.0.0.1)")
    parser.add_argument(
        "--port",
        metavar="N",
        help="TCP port to listen on, 0 for a free one (ACTIVITY_PORT, default 5000)",
    )


def add_insecure(parser: ArgumentParser) -> None:
    """Add `--insecure`."""
    parser.add_argument("--insecure", action="store_true", help=INSECURE_HELP)


def add_tls(parser: ArgumentParser) -> None:
    """Add `--tls-cert` and `--tls-key`."""
    parser.add_argument(
        "--tls-cert",
        metavar="FILE",
        help="serve HTTPS with this certificate and its chain, in PEM (ACTIVITY_TLS_CERT)",
    )
    parser.add_argument(
        "--tls-key",
        metavar="FILE",
        help="key of the certificate, in PEM without a passphrase (ACTIVITY_TLS_KEY)",
    )


def add_tls_ca(parser: ArgumentParser) -> None:
    """Add `--tls-ca`."""
    parser.add_argument(
        "--tls-ca",
        metavar="FILE",
        help="certificates of authorities to trust for https://, in PEM (ACTIVITY_TLS_CA)",
    )


def whole_number(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return a parser for a whole number within bounds."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not minimum <= int(text) <= maximum:
            raise ArgumentTypeError(f"{text!r} is not a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def seconds(text: str) -> float:
    """Parse a number of seconds."""
    try:
        duration = float(text)
    except ValueError:
        duration = -1.0
    if not 0 <= duration < float("inf"):
        raise ArgumentTypeError(f"{text!r} is not a number of seconds, such as 30 or 0.5")
    return duration


def delimiter(text: str) -> str:
    """Parse the delimiter of CSV."""
    found = "\t" if text in ("tab", "\\t") else text
    if len(found) != 1 or found in '"\r\n' or not (found.isprintable() or found == "\t"):
        raise ArgumentTypeError(f"{text!r} is not one character, such as ; or tab")
    return found
