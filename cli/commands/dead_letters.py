"""`activity dead-letters`: inspect, replay or discard events that PostgreSQL refused."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import TYPE_CHECKING
from uuid import UUID

from cli.commands.options import add_json, add_run
from cli.errors import CliError
from cli.quantities import table
from cli.service_choice import advising, require_fit_servers, urls_of_run
from cli.urls import storage_settings

if TYPE_CHECKING:
    from storage.dead_letters import DeadLetter, DeadLetters

HELP = "list, show, replay or discard accepted events that PostgreSQL refused"
EXAMPLES = (
    "activity dead-letters list --data-dir .data",
    "activity dead-letters show 01a2207a-0000-7000-8000-000000000000",
    "activity dead-letters replay --all --json",
)

_HEAD = ("ID", "REFUSED", "COMPONENT", "REASON")
_MAX_LISTED = 100
_MAX_REPLAYED = 1_000_000


def add(parser: ArgumentParser) -> None:
    """Describe the actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help=f"list the newest {_MAX_LISTED} dead letters")
    one = actions.add_parser("show", help="show a dead letter and the original bytes of its event")
    replay = actions.add_parser("replay", help="store the event of a dead letter, or of all, again")
    discard = actions.add_parser("discard", help="delete a dead letter for good")
    for action in (one, discard):
        action.add_argument("id", metavar="ID", type=UUID, help="ID of the event")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("id", metavar="ID", type=UUID, nargs="?", help="ID of the event")
    which.add_argument("--all", action="store_true", help="replay every dead letter")
    for action in (listing, one, replay, discard):
        add_json(action)
        add_run(action)


def run(options: Namespace) -> int:
    """Run the action. Returns 1 if PostgreSQL refused a replayed event again."""
    with _opened(options.data_dir) as letters:
        if options.action == "list":
            return _list(letters, options.json)
        if options.action == "replay":
            return _replay(letters, options.id, options.json)
        letter = _find(letters, options.id)
        if options.action == "show":
            original = printable(letter.event)
            shown = {**_document(letter), "event": original}
            print(json.dumps(shown) if options.json else f"{_text(letter)}\n{original}")
        else:
            if not letters.discard(letter.id):
                raise _not_found(letter.id)
            document = {"discarded": str(letter.id)}
            print(json.dumps(document) if options.json else f"{letter.id}  discarded")
        return 0


@contextmanager
def _opened(data_dir: str | None) -> Iterator["DeadLetters"]:
    # Imported here: `--help` should not wait for SQLAlchemy and redis.
    from storage.cache.invalidation import CacheInvalidator
    from storage.dead_letters import DeadLetters
    from storage.errors import Unavailable
    from storage.postgres.engine import plain_engine
    from storage.redis.client import connect

    urls = urls_of_run(data_dir)
    with advising(urls, "database_url"):
        require_fit_servers(urls)
    settings = storage_settings(urls)
    engine, control = plain_engine(settings.database_url), connect(settings.control_url)
    letters = DeadLetters(engine, settings.partition_by, CacheInvalidator(control))
    try:
        with suppress(Unavailable):  # most actions work without control
            letters.end_abandoned_replay()
        yield letters
    finally:
        control.close()
        engine.dispose()


def _list(letters: "DeadLetters", as_json: bool) -> int:
    found = letters.newest(_MAX_LISTED)
    if as_json:
        print(json.dumps({"dead_letters": [_document(letter) for letter in found]}))
        return 0
    if found:
        print(table([_HEAD, *(_row(letter) for letter in found)]))
    else:
        print("no dead letters", file=sys.stderr)
    return 0


def _replay(letters: "DeadLetters", event_id: UUID | None, as_json: bool) -> int:
    chosen = letters.newest(_MAX_REPLAYED) if event_id is None else [_find(letters, event_id)]
    refused = []
    for letter in chosen:
        reason = letters.replay(letter)
        if reason is not None:
            refused.append({"id": str(letter.id), "reason": reason})
        if not as_json:
            print(f"{letter.id}  {'stored' if reason is None else f'refused again: {reason}'}")
    stored = len(chosen) - len(refused)
    if as_json:
        print(json.dumps({"replayed": len(chosen), "stored": stored, "refused": refused}))
    else:
        print(f"{len(chosen):,} replayed: {stored:,} stored, {len(refused):,} refused again")
    return 1 if refused else 0


def _find(letters: "DeadLetters", event_id: UUID) -> "DeadLetter":
    letter = letters.find(event_id)
    if letter is None:
        raise _not_found(event_id)
    return letter


def _not_found(event_id: UUID) -> CliError:
    return CliError(
        f"no dead letter has the ID {event_id}; `activity dead-letters list` shows them"
    )


def _document(letter: "DeadLetter") -> dict[str, str]:
    return {
        "id": str(letter.id),
        "created_at": letter.created_at.isoformat(),
        "refused_at": letter.refused_at.isoformat(),
        "reason": letter.reason,
    }


def _text(letter: "DeadLetter") -> str:
    return "  ".join(_row(letter))


def _row(letter: "DeadLetter") -> tuple[str, ...]:
    refused_at = f"{letter.refused_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    reason = printable(letter.reason.encode())
    return str(letter.id), refused_at, _component(letter.event), reason


def _component(raw: bytes) -> str:
    """Return the component of the event, or `-` if the bytes are not an event."""
    try:
        component = json.loads(raw)["component"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return "-"
    return printable(str(component).encode(errors="backslashreplace"))


def printable(raw: bytes) -> str:
    """Return the bytes as text. Escape what is not UTF-8 or could control a terminal."""
    text = raw.decode(errors="backslashreplace")
    return "".join(
        char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text
    )
