"""A machine that systemd has booted: a root of Debian's packages, in namespaces of its own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.waiting import wait_until
from tests.containers.engine import CACHE, ENDS_WITH_US, HERE
from tests.containers.images import trust_as_this_machine

_PROJECT = "/srv/activity"


@dataclass(frozen=True)
class Machine:
    """A booted machine. `pid`: its systemd, as this machine counts."""

    pid: int

    def run(self, line: str, check: bool = True) -> str:
        """Run a line of shell as root in the project's folder; return what it prints."""
        ran = self._enter("sh", "-ec", f"cd {_PROJECT}\n{line}")
        told = f"{line}: {ran.stdout[-2000:]}{ran.stderr[-4000:]}"
        assert not check or ran.returncode == 0, told
        return ran.stdout

    def write(self, path: str, text: str, mode: str = "0600") -> None:
        """Write a file, and the folders above it."""
        ran = self._enter("install", "-D", "-m", mode, "/dev/stdin", path, text=text)
        assert ran.returncode == 0, ran.stderr

    def log(self, unit: str) -> str:
        """Return the last lines of a unit's log."""
        return self.run(f"journalctl -u {unit} -n 40 --no-pager", check=False)

    def processes(self, unit: str) -> list[int]:
        """Return the processes of a service, as the machine counts."""
        group = f"/sys/fs/cgroup/system.slice/{unit}/cgroup.procs"
        return [int(line) for line in self.run(f"cat {group}").split()]

    def _enter(self, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        enter = ("nsenter", "-t", str(self.pid), "-m", "-p", "-i", "-u", "-C", "-r", "-w", "--")
        variables = ("env", "-i", "HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
        return subprocess.run(
            [*enter, *variables, *words], input=text, capture_output=True, text=True
        )


@contextmanager
def machine(folder: Path, project: Path) -> Iterator[Machine]:
    """Boot a machine whose files are in `folder`; power it off afterwards."""
    trust_as_this_machine(CACHE / "systemd")
    folder.mkdir()
    with (folder / "console").open("wb") as console:
        process = subprocess.Popen(
            [*ENDS_WITH_US, HERE / "run-systemd", CACHE / "systemd", folder, project],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
        )  # fmt: skip

    def has_booted() -> bool:
        if process.poll() is not None:
            raise AssertionError(f"it ended: {(folder / 'console').read_text()[-2000:]}")
        pid = (folder / "pid").read_text().strip() if (folder / "pid").exists() else ""
        if not pid:
            return False
        state = Machine(int(pid)).run("systemctl is-system-running", check=False)
        return state.strip() in ("running", "degraded")

    try:
        wait_until(has_booted, "systemd to boot", 120)
        found = Machine(int((folder / "pid").read_text()))
        yield found
        found.run("systemctl poweroff", check=False)
        process.wait(120)
    finally:
        process.terminate()
        process.wait(60)
