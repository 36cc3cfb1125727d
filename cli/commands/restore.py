"""`activity restore`: make a data folder from a backup, or let restored servers agree."""

import json
import sys
from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from cli.commands.options import add_data_dir, add_json
from cli.data_dir import data_folder
from cli.errors import UsageError, plain_words
from cli.exit_status import DONE, FAILED
from cli.parser import Parser
from cli.quantities import counted, noun
from cli.settings import load_settings
from cli.urls import storage_settings

if TYPE_CHECKING:
    from cli.backup.agreement import Agreement, Erasures

HELP = "restore a backup into a new data folder for `activity up`"
EXAMPLES = (
    "activity restore /var/backups/activity/2026-11-29 --data-dir restored",
    "activity restore /var/backups/activity/2026-11-29 --erasures erasures.json",
    "activity restore --own-servers  # queue and PostgreSQL were restored by other means",
)


def add(parser: Parser) -> None:
    """Describe the options."""
    parser.add_argument("folder", metavar="DIR", nargs="?", help="folder of the backup")
    parser.add_argument(
        "--own-servers",
        action="store_true",
        help="copy nothing: bring the servers of ACTIVITY_*_URL, which were restored by other "
        "means, into agreement; neither API nor worker may run",
    )
    parser.add_argument(
        "--erasures",
        metavar="FILE",
        help="what `activity erase --records` printed after the backup: erases these persons again",
    )
    add_data_dir(parser, "data folder, new or empty (ACTIVITY_DATA_DIR, default .data)")
    add_json(parser)
    parser.exclude("--data-dir", "--own-servers")


def run(options: Namespace) -> int:
    """Restore. Raises `BackupUnusable`, `RestoreError`, `EmbeddedError`, `StorageError`."""
    if bool(options.folder) == options.own_servers:
        raise UsageError("name the folder of a backup, or give --own-servers, and not both")
    return _own_servers(options) if options.own_servers else _backup(options)


def _backup(options: Namespace) -> int:
    # Imported here: `--help` should not wait for them.
    from cli.backup.restore import restore_backup

    folder = data_folder(load_settings({"data_dir": options.data_dir}))
    restored = restore_backup(Path(options.folder), folder, _erasures(options.erasures))
    manifest, missing = restored.manifest, restored.missing
    if options.json:
        document = {"folder": str(restored.folder), "missing": missing, **manifest.summary()}
        print(json.dumps({**document, **restored.agreement.summary()}))
    else:
        print(f"restored to {restored.folder}")
        if not missing:
            print(
                f"every event that was acknowledged before {manifest.complete_until} is there; of "
                "later ones, some may be"
            )
        _tell(restored.agreement)
    if missing:
        print(
            f"activity: {counted(missing, 'event')} that had been accepted before the backup began "
            f"({manifest.complete_until}) can't be found in it",
            file=sys.stderr,
        )
    return FAILED if missing else DONE


def _own_servers(options: Namespace) -> int:
    # Imported here: `--help` should not wait for them.
    from cli.backup.agreement import agree, require_alone
    from cli.service_choice import require_fit_servers

    erasures = _erasures(options.erasures)
    settings = storage_settings(None)
    require_fit_servers(None)
    require_alone(settings)
    agreement = agree(settings, erasures)
    if options.json:
        print(json.dumps(agreement.summary()))
    else:
        print("queue and PostgreSQL agree: API processes and workers may start")
        _tell(agreement)
    return DONE


def _erasures(file: str | None) -> "Erasures":
    """Return the records in a file. Raises UsageError."""
    # Imported here: `--help` should not wait for SQLAlchemy.
    from storage.erasure.recorded import read_rows

    if file is None:
        return ()
    try:
        return read_rows(Path(file).read_text())
    except OSError as error:
        why = plain_words(error)
        raise UsageError(f"--erasures can't be read: {why}. Nothing was changed") from None
    except ValueError as error:
        raise UsageError(
            f"--erasures: {file} is not what `activity erase --records` prints: {error}. Nothing "
            "was changed"
        ) from None


def _tell(agreement: "Agreement") -> None:
    print(
        f"{counted(agreement.stored, 'event')} that waited on the queue "
        f"{'is' if agreement.stored == 1 else 'are'} dealt with, "
        f"{counted(agreement.forgotten, 'idempotency key')} forgotten; readers of the feed must "
        "begin anew (410)"
    )
    if agreement.again.erased:
        print(f"{counted(agreement.again.erased, 'person')} erased again")
    for shard, reason in agreement.waiting.items():
        print(f"activity: events still wait on shard {shard}: {reason}", file=sys.stderr)
    for reason, count in Counter(agreement.again.waiting.values()).items():
        who = f"{counted(count, 'person')} {noun(count, 'is', 'are')}"
        print(
            f"activity: {who} not erased again yet; workers go on once this is over: {reason}",
            file=sys.stderr,
        )
    print("revoke again the API keys that were revoked since (activity keys)")
