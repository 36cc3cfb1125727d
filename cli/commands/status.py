"""`activity status`: what runs on a data folder."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from cli import state
from cli.commands.options import add_data_dir
from cli.data_dir import data_folder
from cli.settings import load_settings

HELP = "list the processes of a running `activity up`"


@dataclass(frozen=True)
class Process:
    """One live process; role is api, worker, queue, control, postgres or supervisor."""

    role: str
    pid: int


@dataclass(frozen=True)
class Report:
    """All that `status` says; its fields are the JSON form's."""

    url: str
    processes: Sequence[Process]

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def as_text(self) -> str:
        rows = [f"{process.role:<12}{process.pid:>8}" for process in self.processes]
        return "\n".join([self.url, *rows])


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_data_dir(parser, "folder of the run (ACTIVITY_DATA_DIR, .data)")


def run(options: Namespace) -> int:
    """Print the report. Raises `NothingRuns`, which makes the exit status 1."""
    found = report(options.data_dir)
    print(found.as_json() if options.json else found.as_text())
    return 0


def report(data_dir: str | None) -> Report:
    """What runs on the folder that the option or the settings name."""
    found = state.running(data_folder(load_settings({"data_dir": data_dir})))
    return Report(found.url, [Process(role, pid) for role, pid in found.processes])
