"""The machine's own facts: memory for a copy of the queue, and a program by its process."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli.doctor import queue_checks
from cli.doctor.check import Verdict
from cli.doctor.errors import NotKnown
from cli.doctor.machine import Machine, disk_of

GIB = 1 << 30


def overcommit(tmp_path: Path, mode: str, maxmemory: int) -> Any:
    (tmp_path / "sys/vm").mkdir(parents=True)
    (tmp_path / "sys/vm/overcommit_memory").write_text(f"{mode}\n")
    info = {"maxmemory": maxmemory, "used_memory": GIB}
    machine = Machine(proc=tmp_path)
    queue = SimpleNamespace(is_here=True, told=info.__getitem__)
    return SimpleNamespace(queue=queue, machine=machine)


@pytest.mark.parametrize(
    ("mode", "maxmemory", "verdict"),
    [
        ("1", 10**15, Verdict.OK),
        ("0", GIB >> 4, Verdict.OK),
        ("0", 10**15, Verdict.WARNING),
        ("2", GIB >> 4, Verdict.WARNING),
    ],
)
def test_a_queue_that_can_t_be_copied_is_named(
    tmp_path: Path, mode: str, maxmemory: int, verdict: Verdict
) -> None:
    subject = overcommit(tmp_path, mode, maxmemory)
    found = queue_checks._overcommit(subject, subject.queue)
    assert found.verdict == verdict
    assert f"vm.overcommit_memory is {mode}" in found.text


def test_a_system_without_proc_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(NotKnown, match="overcommit_memory can't be read: No such file"):
        Machine(proc=tmp_path).overcommit()


def test_a_process_is_known_by_its_program(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/comm").write_text("valkey-server\n")
    machine = Machine(proc=tmp_path)
    assert machine.is_program(7, ("valkey-server", "redis-server"))
    assert not machine.is_program(7, ("postgres",))
    assert not machine.is_program(8, ("valkey-server",))
    assert Machine().is_program(os.getpid(), ("python", "pytest"))


def test_a_folder_that_is_not_there_has_no_disk(tmp_path: Path) -> None:
    assert disk_of(tmp_path).size >= disk_of(tmp_path).free
    with pytest.raises(NotKnown, match="No such file"):
        disk_of(tmp_path / "none")
