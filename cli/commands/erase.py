"""`activity erase`: erase a person from everything that the service keeps."""

import json
import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cli.commands.options import add_json, add_run
from cli.errors import CliError, Interrupted, UsageError
from cli.parser import Parser
from cli.quantities import counted
from cli.service_choice import advising, require_fit_servers, urls_of_run
from cli.urls import storage_settings

if TYPE_CHECKING:
    from storage.erasure.eraser import Eraser, Servers
    from storage.model.erasing import Address

HELP = "erase a person: every event of an email, and the address in the events of others"
EXAMPLES = (
    "activity erase --email jo@example.com --dry-run",
    "activity erase --email jo@example.com --rewrite --data-dir .data",
    "activity erase --email - --rewrite <address.txt",
    "activity erase --list --json",
    "activity erase --records >erasures.json  # for `activity restore --erasures`",
)

_PAUSE_SECONDS = 1.0
_MAX_LISTED = 100
_REMAINS = (
    "PostgreSQL's write-ahead log until it is overwritten, backups, replicas, logs of before",
    "what readers have exported or copied: the feed tells them the ids",
)


def add(parser: Parser) -> None:
    """Describe the options."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--email",
        metavar="EMAIL",
        help="the person's address, in any case; - reads it from standard input, since others "
        "on this machine can see what a command was given",
    )
    which.add_argument(
        "--list", action="store_true", help=f"list the latest {_MAX_LISTED} erasures"
    )
    which.add_argument(
        "--records",
        action="store_true",
        help="print every erasure as JSON, to keep beside backups; no address is in it",
    )
    parser.add_argument("--dry-run", action="store_true", help="only count what would be erased")
    parser.add_argument(
        "--rewrite",
        action="store_true",
        help="also rewrite the files of PostgreSQL that may still hold the bytes; it needs room "
        "for a copy of the largest partition",
    )
    parser.exclude("--dry-run", "--list", "--records")
    parser.exclude("--rewrite", "--list", "--records", "--dry-run")
    add_json(parser)
    add_run(parser)


def run(options: Namespace) -> int:
    """Erase, and return once it is done. An erasure that is interrupted goes on by itself."""
    if options.list:
        with _opened(options.data_dir) as servers:
            return _list(servers, options.json)
    if options.records:
        with _opened(options.data_dir) as servers:
            return _print_records(servers)
    address = _address(options.email)
    with _opened(options.data_dir) as servers:
        if options.dry_run:
            return _preview(servers, address, options.json)
        found = _erase(servers, address, options.rewrite, options.data_dir)
    return _tell(found, options.json)


def _address(email: str) -> "Address":
    # Imported here: `--help` should not wait for pydantic.
    from api.formats.schemas import EMAIL_CHARACTERS, is_email
    from storage.model.erasing import Address

    if email == "-":
        email = sys.stdin.readline().strip()
    if len(email) > EMAIL_CHARACTERS or not is_email(email):
        raise UsageError("--email: it is not an e-mail address, such as jo@example.com")
    return Address.of(email)


@contextmanager
def _opened(data_dir: str | None) -> Iterator["Servers"]:
    # Imported here: `--help` should not wait for SQLAlchemy and redis.
    from storage.erasure.eraser import lent_servers

    urls = urls_of_run(data_dir)
    with advising(urls, "database_url", "queue_url", "control_url"):
        require_fit_servers(urls)
    settings = storage_settings(urls)
    with lent_servers(settings, settings.shards) as servers:
        yield servers


def _list(servers: "Servers", as_json: bool) -> int:
    from storage.erasure import records
    from storage.postgres.engine import transaction

    with transaction(servers.engine) as connection:
        found = [records.shown(one) for one in records.newest(connection, _MAX_LISTED)]
    if as_json:
        print(json.dumps({"erasures": found}))
        return 0
    for one in found:
        print(f"{one['id']}  {one['started_at'][:19]}  {one['digest']}  {_progress(one)}")
    if not found:
        print("nobody was erased", file=sys.stderr)
    return 0


def _print_records(servers: "Servers") -> int:
    from storage.erasure.recorded import exported

    print(json.dumps(exported(servers.engine)))
    return 0


def _preview(servers: "Servers", address: "Address", as_json: bool) -> int:
    from dataclasses import asdict

    from storage.erasure.preview import preview

    found = preview(servers, address)
    if as_json:
        print(json.dumps(asdict(found)))
        return 0
    print(
        f"would delete {counted(found.owned, 'stored event')}; "
        f"{counted(found.named, 'stored event')} {_have(found.named)} the address in the message "
        f"or in data\n{counted(found.letters, 'dead letter')} and "
        f"{counted(found.waiting, 'waiting event')} are of the person or name the address"
    )
    if found.holds:
        named = ", ".join(found.holds)
        print(f"but it would be refused: a legal hold keeps events of this email: {named}")
    return 0


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _erase(
    servers: "Servers", address: "Address", rewrite: bool, data_dir: str | None
) -> dict[str, Any]:
    """Return the erasure once it is done. If it is interrupted, say how it goes on."""
    from storage.access.actor import actor
    from storage.erasure.eraser import Eraser

    eraser = Eraser(servers)
    erasure: UUID | None = None
    try:
        erasure = eraser.begin(address, actor(), rewrite).id
        return _follow(servers, eraser, erasure)
    except KeyboardInterrupt:
        raise Interrupted(_how_it_goes_on(erasure, data_dir)) from None


def _how_it_goes_on(erasure: UUID | None, data_dir: str | None) -> str:
    where = f" --data-dir {shlex.quote(data_dir)}" if data_dir else ""
    follow = f"`activity erase --list{where}`"
    if erasure is None:
        return f" as the erasure began: it goes on if {follow} shows it"
    return (
        f"; the erasure {erasure} is recorded in PostgreSQL and goes on while "
        f"`activity up` or `activity worker` runs. {follow} shows how far it is"
    )


def _follow(servers: "Servers", eraser: "Eraser", erasure: UUID) -> dict[str, Any]:
    """Go on with the erasure until it is done, and say what it waits for."""
    told = ""
    while True:
        found = _advance(servers, eraser, erasure)
        if found["finished_at"] is not None:
            return found
        if (text := _progress(found)) != told:
            told = text
            print(text, file=sys.stderr)
        time.sleep(_PAUSE_SECONDS)


def _tell(found: dict[str, Any], as_json: bool) -> int:
    if as_json:
        print(json.dumps({**found, "remains": [*found["remains"], *_REMAINS]}))
        return 0
    print(_progress(found))
    for text in (*found["remains"], *_REMAINS):
        print(f"remains: {text}")
    return 0


def _advance(servers: "Servers", eraser: "Eraser", erasure: UUID) -> dict[str, Any]:
    """Do what can be done now; another process may do it instead."""
    from storage.erasure import records
    from storage.erasure.runner import run_pending
    from storage.errors import Unavailable
    from storage.postgres.engine import transaction

    try:
        run_pending(servers.engine, eraser)
    except Unavailable as error:
        print(f"waits: {error}", file=sys.stderr)
    with transaction(servers.engine) as connection:
        record = records.get(connection, erasure)
    if record is None:
        raise CliError("the erasure is not recorded any more: begin it again")
    return records.shown(record)


def _progress(found: dict[str, Any]) -> str:
    counts = (
        f"{counted(found['deleted'], 'event')} deleted, {found['redacted']:,} written over, "
        f"{counted(found['letters'], 'dead letter')} erased"
    )
    waits = f", waits for {found['waits_for']}" if found["waits_for"] else ""
    return f"{found['step']}{waits}: {counts}"
