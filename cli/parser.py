"""An argument parser that suggests the known word which a misspelt word resembles."""

import argparse
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NoReturn

from cli.errors import BadArguments
from storage.model.suggestion import did_you_mean

PASSED_ON = "passed_on"
"""The argument of a command that takes the rest of the line, options it does not know included."""

_NEGATIVE = re.compile(r"^-\d+[a-z]?$|^-\d*\.\d+$")

_EXCLUSION = re.compile(r"-([a-z]+)[.:=]")  # as in the query language, or over HTTP


class Parser(argparse.ArgumentParser):
    """A parser that raises `BadArguments` instead of ending the process.

    Help texts keep their line ends, so that each example stays on its own line.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*arguments, **options)
        # `--from -24h`: a value, as a negative number is, and no option.
        self._negative_number_matcher = _NEGATIVE
        self._exclusions: list[tuple[str, str]] = []

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse every argument. Raises `BadArguments`."""
        options: argparse.Namespace
        options, unknown = self.parse_known_args(arguments)
        if unknown and PASSED_ON in options:
            # They stand before the first argument without a dash, with which the rest begins.
            setattr(options, PASSED_ON, [*unknown, *getattr(options, PASSED_ON)])
        elif unknown:
            parsers = list(self._named(arguments))
            actions = [action for parser in parsers for action in parser._actions]
            known = {name for action in actions for name in action.option_strings}
            hint = _hint(unknown[0], known)
            parsers[-1].error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return options

    def exclude(self, name: str, *others: str) -> None:
        """Refuse an option beside any of the others, where it would have no effect.

        A name may also be a word that an argument can be, such as `worker`.
        """
        self._exclusions += [(name, other) for other in others]

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse what is known. Raises `BadArguments`, also for options that exclude each other."""
        options, unknown = super().parse_known_args(args, namespace)
        for name, other in self._exclusions:
            if self._is_given(name, options) and self._is_given(other, options):
                self.error(f"{name} and {other} exclude each other")
        return options, unknown

    def _is_given(self, name: str, options: argparse.Namespace) -> bool:
        for action in self._actions:
            value = getattr(options, action.dest, action.default)
            if name in action.option_strings:
                return value is not action.default
            if not action.option_strings and name in (action.choices or ()):
                return bool(value == name)
        raise AssertionError(f"{self.prog} has no {name}")

    def actions(self) -> Iterator[argparse.Action]:
        """Return every option and argument, of all subcommands too."""
        for action in self._actions:
            yield action
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    yield from parser.actions()

    def error(self, message: str) -> NoReturn:
        """Raise `BadArguments` with the usage line of this command."""
        raise BadArguments(message, self.format_usage())

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = list(map(str, action.choices))
            hint = did_you_mean(str(value), known) or f" (known: {', '.join(known)})"
            raise argparse.ArgumentError(action, f"there is no {value!r}{hint}")

    def _named(self, arguments: Sequence[str]) -> Iterator["Parser"]:
        """Return this parser, then the parsers of the command and the action in `arguments`."""
        yield self
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name in set(action.choices).intersection(arguments):
                    yield from action.choices[name]._named(arguments)


def _hint(word: str, known: Collection[str]) -> str:
    excluded = _EXCLUSION.match(word)
    option = f"--not-{excluded[1]}" if excluded else ""
    if option in known:
        return f"; use {option}, or put -- before a question that begins with a minus"
    return did_you_mean(word.partition("=")[0], known)


def examples(lines: Sequence[str]) -> str:
    """Return the examples as the last part of a help text."""
    return "\n".join(["examples:", *(f"  {line}" for line in lines)])
