"""The supervisor hands out slots: one for each live process, and none is lost."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.health.supervisor_folder import SLOTS
from cli.process.inspection import alive
from cli.process.slots import SlotPool, slot_pool
from cli.process.supervisor import Command, Supervisor, with_slots
from storage.metrics.slot import Owner
from storage.metrics.slot_file import SlotFile
from testbed.waiting import wait_until

CHECKOUT = Path(__file__).resolve().parents[4]
ENV = {"PATH": os.defpath, "PYTHONPATH": str(CHECKOUT)}
SECONDS = 30
# Serves at once, counts one in its first cell, and is slow to stop.
PROGRAM = """
import argparse, os, signal, time
from storage.metrics.process import own
parser = argparse.ArgumentParser()
parser.add_argument("--slot")
parser.add_argument("--ready-fd", type=int)
options = parser.parse_args()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
own.join(options.slot, "api")
with own.lock:
    own.cells[0] += 1
if options.ready_fd:
    os.write(options.ready_fd, b"ready")
time.sleep(1000)
"""


@pytest.fixture(autouse=True)
def _own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the slot of the process that runs the tests."""
    monkeypatch.setattr("cli.process.slots.own.join", lambda *_: None)


def supervised(slots: SlotPool | None, count: int = 2) -> Supervisor:
    command = Command("api", [sys.executable, "-c", PROGRAM], ENV)
    return Supervisor(with_slots([command] * count, slots))


def owners(file: SlotFile) -> list[Owner]:
    return [owner for reading in file.readings() if (owner := reading.owner)]


def total(file: SlotFile) -> int:
    return sum(reading.cells()[0] for reading in file.readings())


def has_counted(supervisor: Supervisor, file: SlotFile, count: int) -> None:
    def counted() -> bool:
        supervisor.turn()
        return total(file) == count

    wait_until(counted, f"{count} starts", SECONDS)


def test_killed_processes_are_followed_in_their_slots(tmp_path: Path) -> None:
    with slot_pool(tmp_path) as slots:
        assert slots is not None
        supervisor = supervised(slots)
        supervisor.start()
        try:
            for started in (2, 3, 4, 5):
                has_counted(supervisor, slots.file, started)
                os.kill(supervisor.pids()[started % 2][1], signal.SIGKILL)
            has_counted(supervisor, slots.file, 6)
            assert slots.file.count == 1 + 2
            pids = {owner.pid for owner in owners(slots.file)}
            assert pids == {pid for _, pid in supervisor.pids()}
        finally:
            supervisor.stop(0.1)


def test_two_live_processes_never_share_a_slot_and_old_slots_are_used_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with slot_pool(tmp_path) as slots:
        assert slots is not None
        supervisor = supervised(slots)
        supervisor.start()
        try:
            has_counted(supervisor, slots.file, 2)
            old = [pid for _, pid in supervisor.pids()]
            supervisor.restart(1000)  # the old ones live on, side by side with the new ones

            def complete() -> bool:
                supervisor.turn()
                return "the rolling restart is complete" in caplog.text

            wait_until(complete, "the new ones to serve", SECONDS)
            assert total(slots.file) == 4
            assert all(map(alive, old))
            pids = [owner.pid for owner in owners(slots.file)]
            assert sorted(pids) == sorted([*old, *(pid for _, pid in supervisor.pids())])
            for pid in old:
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: not any(map(alive, old)), "their end", SECONDS)
            supervisor.restart(1000)
            has_counted(supervisor, slots.file, 6)
            assert slots.file.count == 1 + 4  # those of the killed ones
        finally:
            supervisor.stop(0.1)


def test_a_process_that_can_not_start_takes_no_slot(tmp_path: Path) -> None:
    def fails(*_: object) -> subprocess.Popen[bytes]:
        raise OSError("no more processes")

    with slot_pool(tmp_path) as slots:
        assert slots is not None
        for _ in range(3):
            with pytest.raises(OSError, match="no more processes"):
                slots.spawn("worker", fails)
        assert slots.file.count == 1 + 1
        assert owners(slots.file) == []


def test_without_memory_for_the_file_the_processes_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with slot_pool(tmp_path) as slots:
        monkeypatch.setattr("storage.metrics.slot_file._write_zeros", full)
        supervisor = supervised(slots, 1)
        supervisor.start()
        assert supervisor.pids()
        supervisor.stop(0.1)
    with slot_pool(tmp_path / "other") as slots:
        assert slots is None
        supervisor = supervised(slots, 1)
        supervisor.start()
        assert supervisor.pids()
        supervisor.stop(0.1)
    assert "without a slot for metrics" in caplog.text
    assert "are not joined" in caplog.text


def test_no_file_is_left_by_a_killed_supervisor(tmp_path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from cli.process.slots import slot_pool
with slot_pool(Path({str(tmp_path)!r})):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT)
    left = [path.name for path in tmp_path.iterdir()]
    assert left == [SLOTS]  # a link, removed with the folder at the next start
    with pytest.raises(FileNotFoundError):
        SlotFile.open(tmp_path / SLOTS)
