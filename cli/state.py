"""The file in which a running `up` says where everything is."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.embedded.layout import Layout
from cli.embedded.lock import is_held
from cli.errors import NothingRuns
from cli.processes import alive
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
    writing = path.with_suffix(".writing")
    descriptor = os.open(writing, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file)
    writing.replace(path)


def remove(path: Path) -> None:
    """Forget the run."""
    path.unlink(missing_ok=True)


def running(data_dir: Path) -> State:
    """The state of the run on this folder, with only the processes that live.

    Raises `NothingRuns`, also while a run is not yet ready to be spoken of, and `OSError`.
    """
    layout = Layout(data_dir.expanduser().resolve())
    # A file alone proves nothing: a kill -9 leaves it, and its pids belong to others by now.
    if not is_held(layout.lock):
        raise NothingRuns(
            f"nothing runs on the data folder {layout.root}; --data-dir names another "
            "(ACTIVITY_DATA_DIR for `up` and `status`)"
        )
    try:
        state = _read(layout.state)
    except FileNotFoundError:
        raise NothingRuns(f"a run on {layout.root} is starting or ending: try again") from None
    live = [(role, pid) for role, pid in state.processes if alive(pid)]
    return State(state.url, state.urls, live)


def _read(path: Path) -> State:
    document = json.loads(path.read_text())
    urls = Urls(document["queue_url"], document["control_url"], document["database_url"])
    return State(
        document["url"], urls, [(one["role"], one["pid"]) for one in document["processes"]]
    )
