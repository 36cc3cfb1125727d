"""The actions of `activity keys`: load the keys, act on both homes, and print the result."""

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from cli.access import key_text, terms
from cli.access.grants import grants, require_future
from cli.access.lookup import find, require_free_name
from cli.access.opened import load, opened_homes, reasons, warn, warn_of_absence
from cli.errors import CliError
from storage.access import key_acts
from storage.access.actor import actor
from storage.access.api_key import ApiKey
from storage.access.grants import Grants
from storage.access.homes import Answers, KeyHomes, require_room
from storage.access.key_acts import KeyHasEnded, NewKey
from storage.access.key_records import KeyRecords
from storage.access.key_view import document


def run(options: Namespace) -> int:
    """Run the action, and return the exit status."""
    now = datetime.now(UTC)
    _check(options, now)
    with opened_homes(options.data_dir) as homes:
        return _ACTIONS[options.action](options, homes, now)


def _check(options: Namespace, now: datetime) -> None:
    """Raise UsageError for wrong options, before any server is asked."""
    if options.action == "create":
        _grants(options)
    if options.action in ("create", "rotate"):
        _expires_at(options, now)


def _create(options: Namespace, homes: KeyHomes, now: datetime) -> int:
    records = load(homes)
    require_free_name(records, options.name, now)
    require_room(records)
    made = key_acts.create(options.name, _grants(options), _expires_at(options, now), now, actor())
    return _put_new(options, homes, made, now, f"made the key {made.key.id} ({made.key.name})")


def _rotate(options: Namespace, homes: KeyHomes, now: datetime) -> int:
    records = load(homes)
    old = find(records, options.key, now)
    require_room(records)
    try:
        made = key_acts.rotate(old, options.overlap, _expires_at(options, now), now, actor())
    except KeyHasEnded as error:
        raise CliError(f"{error}: make a new one with `activity keys create`") from None
    ending = made.act.keys[1]
    told = f"made the key {made.key.id} ({made.key.name}) in the place of {old.id}, which "
    return _put_new(options, homes, made, now, told + key_text.ends(ending, now))


def _put_new(options: Namespace, homes: KeyHomes, made: NewKey, now: datetime, told: str) -> int:
    """Write the key into both homes, and print its token: only then, and only once."""
    answers = homes.put(made.act.keys, made.act.line)
    if options.json:
        others = [document(key, now) for key in made.act.keys[1:]]
        shown = {"key": document(made.key, now), "token": made.token}
        print(json.dumps({**shown, **_homes(answers), **({"old": others[0]} if others else {})}))
    else:
        if not options.quiet:
            print(f"{told}\n{key_text.card(made.key, now)}\n{_KEEP}", file=sys.stderr, flush=True)
        print(made.token, flush=True)
    warn_of_absence(answers.failures)
    return 0


_KEEP = (
    "\nIt is valid within a second in every API process. Its token is on the next line. It is not "
    "kept anywhere, so it can't be shown again:"
)


def _list(options: Namespace, homes: KeyHomes, now: datetime) -> int:
    records = load(homes)
    every = sorted(records.keys.values(), key=lambda key: (key.name, key.created_at, key.id))
    keys = [key for key in every if options.all or key.is_valid_at(now)]
    if options.json:
        print(json.dumps({"keys": [document(key, now) for key in keys]}))
        return 0
    if keys:
        print(key_text.key_table(keys, now))
    hidden = len(every) - len(keys)
    if hidden:
        print(f"not shown: {hidden:,} revoked or expired (--all shows them)", file=sys.stderr)
    elif not keys:
        print("no keys; `activity keys create` makes one", file=sys.stderr)
    return 0


def _show(options: Namespace, homes: KeyHomes, now: datetime) -> int:
    key = find(load(homes), options.key, now)
    shown = {"key": document(key, now)}
    print(json.dumps(shown) if options.json else key_text.card(key, now))
    return 0


def _revoke(options: Namespace, homes: KeyHomes, now: datetime) -> int:
    records = load(homes)
    key = find(records, options.key, now)
    act = key_acts.revoke(key, now + options.delay, now, actor())
    if act is None:
        return _report_revoked(options, key, now, f"nothing changed: the key {key.id} ")
    answers = homes.put(act.keys, act.line)
    named = f"the key {key.id} ({key.name})"
    told = f"{named} will be revoked: it " if options.delay else f"{named} is revoked: it "
    _report_revoked(options, act.keys[0], now, told, answers)
    warn_of_absence(answers.failures)
    _warn_if_none_is_left(records, act.keys[0], now)
    return 0


def _warn_if_none_is_left(records: KeyRecords, revoked: ApiKey, now: datetime) -> None:
    others = [key for key in records.keys.values() if key.id != revoked.id]
    if not any(key.is_valid_at(now) for key in others):
        warn(
            "no other key is valid, and a service that once had a key stays closed: make one with "
            "`activity keys create`"
        )


def _report_revoked(
    options: Namespace, key: ApiKey, now: datetime, told: str, answers: Answers[None] | None = None
) -> int:
    shown = {"key": document(key, now), "changed": answers is not None}
    if options.json:
        print(json.dumps({**shown, **(_homes(answers) if answers else {})}))
    else:
        print(told + key_text.ends(key, now))
    return 0


def _homes(answers: Answers[None]) -> dict[str, object]:
    """Return which homes have the change, and why another one has not."""
    return {"homes": sorted(answers.answers), "failures": reasons(answers.failures)}


def _grants(options: Namespace) -> Grants:
    return grants(
        options.scope,
        options.component,
        options.environment,
        options.origin,
        options.rate,
        options.daily,
    )


def _expires_at(options: Namespace, now: datetime) -> datetime | None:
    if options.expires is None:
        return None
    return require_future(terms.after(now, options.expires), now)


_ACTIONS: Mapping[str, Callable[[Namespace, KeyHomes, datetime], int]] = {
    "create": _create,
    "list": _list,
    "show": _show,
    "rotate": _rotate,
    "revoke": _revoke,
}
