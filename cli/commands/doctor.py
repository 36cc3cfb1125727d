"""`activity doctor`: find what is wrong with the service, its servers and its settings."""

import json
from argparse import ArgumentParser, Namespace
from importlib.metadata import version
from typing import TYPE_CHECKING

from cli import state
from cli.commands.options import add_json, add_run
from cli.service_choice import folder_of_run
from cli.settings import forget_libpq_variables
from cli.urls import Urls, storage_settings

if TYPE_CHECKING:
    from cli.doctor.subject import RunFacts

HELP = (
    "check servers, settings, tables and accounts, and say how to mend what is wrong; "
    "exit 1 if there is a fault, 0 for warnings and unknowns alone"
)
EXAMPLES = (
    "activity doctor --data-dir .data  # the servers of a running `activity up`",
    "activity doctor  # the servers of ACTIVITY_QUEUE_URL, _CONTROL_URL and _DATABASE_URL",
    "activity doctor --json",
)


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    add_json(parser)
    add_run(parser)


def run(options: Namespace) -> int:
    """Print the report. Returns 1 if there is a fault. Raises `NothingRuns`, `SettingsError`."""
    # Imported here: `--help` should not wait for redis and SQLAlchemy.
    from cli.doctor.examination import examine
    from cli.doctor.report import as_document, as_text, exit_status
    from cli.doctor.subject import open_subject

    urls, facts = _chosen(options.data_dir)
    with open_subject(storage_settings(urls), facts) as subject:
        results = examine(subject)
    if options.json:
        print(json.dumps(as_document(results, version("activity-service"))))
    else:
        print(as_text(results))
    return exit_status(results)


def _chosen(data_dir: str | None) -> "tuple[Urls | None, RunFacts | None]":
    """Return the addresses of the run on the chosen data folder, and what is known of the run."""
    from cli.doctor.subject import RunFacts

    folder = folder_of_run(data_dir)
    if folder is None:
        return None, None
    found = state.running(folder)
    forget_libpq_variables()
    return found.urls, RunFacts(folder, found.url, found.processes)
