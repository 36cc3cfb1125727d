"""Run `activity send` as a separate process."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "cli.main", "send"]


def ndjson(path: Path, lines: int, **fields: object) -> Path:
    """Write a file of that many events, with messages `m0`, `m1`, ..."""
    event = {"component": "c", "environment": "e", **fields}
    rows = (json.dumps({**event, "message": f"m{number}"}) for number in range(lines))
    path.write_text("".join(f"{row}\n" for row in rows))
    return path


class SendCommand:
    """`activity send` to one address, with its own state folder."""

    command: Sequence[str] = COMMAND

    def __init__(self, url: str, state: Path, **variables: str) -> None:
        """`variables`: more of the environment."""
        self.state = state
        ours = {"ACTIVITY_URL": url, "XDG_STATE_HOME": str(state), **variables}
        others = {k: v for k, v in os.environ.items() if not k.startswith("ACTIVITY_")}
        self._env = {**others, **ours}

    def start(
        self, *options: object, command: Sequence[str] = (), **more: Any
    ) -> subprocess.Popen[str]:
        """Start in the background."""
        return subprocess.Popen(
            [*(command or self.command), *map(str, options)],
            env=self._env,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
        )

    def run(self, *options: object, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        return subprocess.run(
            [*self.command, *map(str, options)],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=120,
            **more,
        )

    def shell(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line of the shell in the environment of the command."""
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def summary(self, *options: object, **more: Any) -> dict[str, Any]:
        """Return the JSON summary of a run, with its exit status as `status`."""
        ended = self.run(*options, "--json", **more)
        assert ended.stdout, ended.stderr
        return {**json.loads(ended.stdout), "status": ended.returncode}

    def checkpoints(self) -> list[Path]:
        """Return the files in the state folder."""
        return [path for path in self.state.rglob("*") if path.is_file()]


class ImportCommand(SendCommand):
    """`activity import` to one address, with its own state folder."""

    command = (*COMMAND[:-1], "import")
