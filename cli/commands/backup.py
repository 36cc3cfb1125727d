"""`activity backup`: copy the running embedded service into a folder."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from cli import state
from cli.commands.options import add_data_dir, add_json
from cli.data_dir import data_folder
from cli.embedded.folder import checked_folder
from cli.embedded.layout import Layout
from cli.settings import forget_libpq_variables, load_settings

HELP = "back up a running `activity up` into a new folder, while it accepts and stores events"
EXAMPLES = (
    "activity backup /var/backups/activity/2026-11-29",
    "activity backup --data-dir .data --json backups/monday",
)


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("folder", metavar="DIR", help="folder of the backup, new or empty")
    add_data_dir(parser, "data folder of the run (ACTIVITY_DATA_DIR, default .data)")
    add_json(parser)


def run(options: Namespace) -> int:
    """Back up. Raises `NothingRuns`, `BackupFailed`, `StorageError`."""
    # Imported here: `--help` should not wait for them.
    from cli.backup.take import take_backup

    settings = load_settings({"data_dir": options.data_dir})
    folder = data_folder(settings)
    urls = state.running(folder).urls
    forget_libpq_variables()
    target = Path(options.folder)
    manifest = take_backup(Layout(checked_folder(folder)), urls, target)
    if options.json:
        print(json.dumps({"folder": str(target.resolve()), **manifest.summary()}))
    else:
        print(
            f"backed up to {target.resolve()}\nevery event that was acknowledged before "
            f"{manifest.complete_until} is in it"
        )
    return 0
