"""The options that say which events are asked for, named as the parameters over HTTP."""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace, _ArgumentGroup
from typing import NamedTuple

from cli.errors import UsageError

Q = "q"

_is_option = re.compile(r"--[a-z][a-z-]*(=.*)?").fullmatch


class FilterOption(NamedTuple):
    """An option and its parameter. `several`: it may be repeated."""

    flags: tuple[str, ...]
    parameter: str
    metavar: str
    help: str
    several: bool = True

    @property
    def field(self) -> str:
        """Return the name of the field in the parsed options."""
        return self.flags[0].removeprefix("--").replace("-", "_")


_AGAIN = "; repeat it for one of several"
_NOR = "; repeat it for none of several"
_FORMS = "2026-11-24, 2026-11-24T12:30:00Z, -15m, -24h, -7d or now"

OPTIONS = (
    FilterOption(
        ("--component",), "component", "NAME", f"is NAME, or begins as in 'pay-*'{_AGAIN}"
    ),
    FilterOption(
        ("--environment",), "environment", "NAME", f"is NAME, or begins as in 'prod*'{_AGAIN}"
    ),
    FilterOption(("--email",), "email", "EMAIL", f"is EMAIL, in any case{_AGAIN}"),
    FilterOption(("--message",), "message", "TEXT", f"contains TEXT, in any case{_AGAIN}"),
    FilterOption(("--not-component",), "-component", "NAME", f"is not NAME, nor begins so{_NOR}"),
    FilterOption(
        ("--not-environment",), "-environment", "NAME", f"is not NAME, nor begins so{_NOR}"
    ),
    FilterOption(("--not-email",), "-email", "EMAIL", f"is not EMAIL, or there is none{_NOR}"),
    FilterOption(("--not-message",), "-message", "TEXT", f"does not contain TEXT{_NOR}"),
    FilterOption(
        ("--from-date", "--from"), "from_date", "DATE", f"created then or later: {_FORMS}", False
    ),
    FilterOption(
        ("--to-date", "--to"), "to_date", "DATE", "created before, or on this day or before", False
    ),
    FilterOption(("--occurred-from",), "occurred_from", "DATE", "happened then or later", False),
    FilterOption(
        ("--occurred-to",), "occurred_to", "DATE", "happened before, or on this day", False
    ),
)


def add_filters(parser: ArgumentParser) -> None:
    """Add the argument `q` and an option for each filter."""
    parser.add_argument(
        Q,
        nargs="*",
        metavar="Q",
        help="question, such as 'component:(auth OR pay*) -environment:dev \"was paid\"'; several "
        "words are joined with spaces; put -- before one that begins with a minus",
    )
    group = parser.add_argument_group("which events", "Options of different names must all match.")
    for option in OPTIONS:
        _add(group, option)
    group.add_argument(
        "--data",
        action="append",
        type=_data,
        default=[],
        metavar="PATH=VALUE",
        help='`data` has VALUE at PATH, such as customer.tier=gold; or contains {"n":3}',
    )
    group.add_argument(
        "--not-data",
        action="append",
        type=_not_data,
        default=[],
        metavar="PATH=VALUE",
        help="`data` has another value at PATH, or none",
    )
    group.add_argument(
        "--fresh",
        action="store_true",
        help="wait until every event that was accepted before is stored",
    )


def _add(group: _ArgumentGroup, option: FilterOption) -> None:
    how = "append" if option.several else "store"
    group.add_argument(
        *option.flags,
        dest=option.field,
        action=how,
        default=[] if option.several else None,
        metavar=option.metavar,
        help=option.help,
    )


def parameters(options: Namespace) -> list[tuple[str, str]]:
    """Return the parameters of a request for these events.

    Raises `UsageError` for a blank value: the service would ignore that filter, and a variable of
    the shell that is not set would ask for everything.
    """
    asked: list[tuple[str, str]] = []
    if option := next(filter(_is_option, options.q), None):
        raise UsageError(f"{option} is behind --, as a part of the question; put options before --")
    if question := " ".join(options.q):
        asked.append((Q, question))
    for option in OPTIONS:
        given = getattr(options, option.field)
        values = given if option.several else [given] if given is not None else []
        if not all(value.strip() for value in values):
            raise UsageError(f"{option.flags[0]} is blank; leave it out to ask for all")
        asked += [(option.parameter, value) for value in values]
    asked += [*options.data, *options.not_data]
    return [*asked, ("fresh", "true")] if options.fresh else asked


def _data(text: str) -> tuple[str, str]:
    if text.lstrip().startswith("{"):
        return "data", text
    return _at_path(text, "data.")


def _not_data(text: str) -> tuple[str, str]:
    return _at_path(text, "-data.")


def _at_path(text: str, prefix: str) -> tuple[str, str]:
    path, sign, value = text.partition("=")
    if not sign or not path:
        raise ArgumentTypeError(f"{text!r} is not PATH=VALUE, such as customer.tier=gold")
    return f"{prefix}{path}", value
