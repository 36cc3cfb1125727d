"""The file in which a running `up` says where everything is."""

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
    """One run: its address, its servers' addresses, and (role, pid) of each process."""

    url: str
    urls: Urls
    processes: Sequence[tuple[str, int]]


def write(path: Path, state: State) -> None:
    """Replace the file in one step; it is ours alone to read. Raises `OSError`."""
    document = {
        "url": state.url,
        "queue_url": state.urls.queue_url,
        "control_url": state.urls.control_url,
        "database_url": state.urls.database_url,
        "processes": [{"role": role, "pid": pid} for role, pid in state.processes],
    }
    replace_file(path, json.dumps(document))


def remove(path: Path) -> None:
    """Forget the run."""
    path.unlink(missing_ok=True)


def running(data_dir: Path) -> State:
    """The state of the run on this folder, with the processes that live, also those that
    joined it.

    Raises `NothingRuns`, also while a run is not yet ready to be spoken of, `FolderError` for a
    folder that is not this user's, and `OSError`.
    """
    layout = Layout(checked_folder(data_dir))
    # A file alone proves nothing: a kill -9 leaves it, and its pids belong to others by now.
    if not is_held(layout.lock):
        raise NothingRuns(
            f"nothing runs on the data folder {layout.root}; --data-dir or ACTIVITY_DATA_DIR "
            "names another"
        )
    try:
        state = _read(layout.state)
    except (FileNotFoundError, ValueError, KeyError, TypeError):  # or what a power cut left of it
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
