"""The state file of a running `activity up`: its address, its servers and its processes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.embedded.folder import checked_folder
from cli.embedded.layout import Layout
from cli.embedded.lock import is_held
from cli.errors import NothingRuns
from cli.process.inspection import alive
from cli.process.membership import joined_processes
from cli.safe_files import read_small, replace_file
from cli.urls import Urls


@dataclass(frozen=True)
class State:
    """A run: its address, its servers' addresses, and role and pid of each process."""

    url: str
    urls: Urls
    processes: Sequence[tuple[str, int]]


def write(path: Path, state: State) -> None:
    """Replace the state file atomically; only this user may read it. Raises `OSError`."""
    document = {
        "url": state.url,
        "queue_url": state.urls.queue_url,
        "control_url": state.urls.control_url,
        "database_url": state.urls.database_url,
        "processes": [{"role": role, "pid": pid} for role, pid in state.processes],
    }
    replace_file(path, json.dumps(document))


def remove(path: Path) -> None:
    """Remove the state file."""
    path.unlink(missing_ok=True)


def running(data_dir: Path) -> State:
    """Return the state of the run on this folder, with its live processes.

    The processes that joined the run count too. Raises `NothingRuns`, also while a run is starting
    or ending, `FolderError` for a folder that this user may not use, and `OSError`.
    """
    layout = Layout(checked_folder(data_dir))
    # The state file alone proves nothing: kill -9 leaves it, and its pids may be reused.
    if not is_held(layout.lock):
        raise NothingRuns(
            f"nothing runs on the data folder {layout.root}; choose another with --data-dir or "
            "ACTIVITY_DATA_DIR"
        )
    try:
        state = _read(layout.state)
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # or cut off by a power cut
        raise NothingRuns(f"a run on {layout.root} is starting or ending: try again") from None
    live = [(role, pid) for role, pid in state.processes if alive(pid)]
    live += joined_processes(layout.root)
    return State(state.url, state.urls, live)


def _read(path: Path) -> State:
    document = json.loads(read_small(path))
    urls = Urls(document["queue_url"], document["control_url"], document["database_url"])
    return State(
        document["url"], urls, [(one["role"], one["pid"]) for one in document["processes"]]
    )
