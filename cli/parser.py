"""The argument parser: an unknown word is answered with the nearest known one."""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from cli.errors import BadArguments
from storage.model.suggestion import did_you_mean


class Parser(argparse.ArgumentParser):
    """Raises BadArguments instead of ending the process. Keeps each example on its own line."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*arguments, **options)

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse all of them. Raises BadArguments."""
        options, unknown = self.parse_known_args(arguments)
        if unknown:
            parsers = list(self._named(arguments))
            actions = [action for parser in parsers for action in parser._actions]
            known = {name for action in actions for name in action.option_strings}
            hint = did_you_mean(unknown[0].partition("=")[0], known)
            parsers[-1].error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return options

    def actions(self) -> Iterator[argparse.Action]:
        """Every option and argument, those of all commands too."""
        for action in self._actions:
            yield action
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    yield from parser.actions()

    def error(self, message: str) -> NoReturn:
        """Raise BadArguments with the usage of the command that was meant."""
        raise BadArguments(message, self.format_usage())

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = list(map(str, action.choices))
            hint = did_you_mean(str(value), known) or f" (known: {', '.join(known)})"
            raise argparse.ArgumentError(action, f"there is no {value!r}{hint}")

    def _named(self, arguments: Sequence[str]) -> Iterator["Parser"]:
        """This parser, and below it those of the command and the action that are named."""
        yield self
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name in set(action.choices).intersection(arguments):
                    yield from action.choices[name]._named(arguments)


def examples(lines: Sequence[str]) -> str:
    """As the last part of a help text."""
    return "\n".join(["examples:", *(f"  {line}" for line in lines)])
