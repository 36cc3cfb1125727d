"""The slot file: cells that outlive their process, and are read while others write."""

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from storage.metrics import slot_file
from storage.metrics.catalogue import COUNTED
from storage.metrics.layout import CELLS, combinations, offset, scale, width
from storage.metrics.process import ProcessSlot, place_of
from storage.metrics.slot import ACTIVITY_BYTES, STARTING, process_start
from storage.metrics.slot_file import SlotFile, UnfitSlotFile
from testbed.waiting import wait_until

CHECKOUT = Path(__file__).resolve().parents[4]
COUNT = """
import sys
from storage.metrics.process import own
own.join(sys.argv[1], "api")
own.report("shard 3")
for _ in range(int(sys.argv[2])):
    with own.lock:
        own.cells[7] += 1
print("counted", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path: Path) -> SlotFile:
    return SlotFile.create(3, tmp_path / "slots")


def counting(file: SlotFile, number: int, count: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", COUNT, place_of(file, number), str(count)],
        cwd=CHECKOUT,
        pass_fds=[file.fd],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    return process


def test_a_killed_process_leaves_its_counts_and_the_next_one_goes_on_with_them(
    file: SlotFile, tmp_path: Path
) -> None:
    first = counting(file, 1, 1000)
    first.kill()
    first.communicate()
    with counting(file, 1, 500) as second:
        reading = SlotFile.open(tmp_path / "slots").readings()[1]
        assert reading.cells()[7] == 1500
        assert reading.owner is not None
        assert reading.owner == ("api", second.pid, process_start(second.pid))
        assert reading.progress is not None
        assert reading.progress.activity == "shard 3"
        assert 0 <= time.monotonic() - reading.progress.moved < 60
        second.kill()


def test_threads_of_a_process_lose_no_increment(file: SlotFile) -> None:
    slot = file.slot(2)

    def add() -> None:
        for _ in range(20_000):
            with slot.lock:
                slot.cells[0] += 1

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert file.readings()[2].cells()[0] == 80_000


def test_an_activity_is_read_whole_or_not_at_all_while_it_changes(file: SlotFile) -> None:
    texts = ["idle", "waiting for PostgreSQL", "shard 12", "x" * ACTIVITY_BYTES]
    writer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\nfrom storage.metrics.process import own\nown.join(sys.argv[1], 'worker')\n"
            f"while True:\n    for text in {texts}: own.report(text)",
            place_of(file, 1),
        ],
        cwd=CHECKOUT,
        pass_fds=[file.fd],
    )
    try:
        reading = file.readings()[1]
        seen = set()

        def saw_all() -> bool:
            progress = reading.progress
            seen.add(progress.activity if progress else None)
            return seen >= set(texts)

        wait_until(saw_all, "every text")
        assert seen <= {*texts, None}
    finally:
        writer.kill()
        writer.wait()


def test_a_long_activity_is_cut_between_characters(file: SlotFile) -> None:
    slot = file.slot(1)
    slot.report("ü" * 40)
    progress = slot.reading().progress
    assert progress is not None
    assert progress.activity == "ü" * (ACTIVITY_BYTES // 2)
    slot.report("x" + "ü" * 40)
    progress = slot.reading().progress
    assert progress is not None
    assert progress.activity == "x" + "ü" * (ACTIVITY_BYTES // 2 - 1)


def test_a_slot_says_who_has_it(file: SlotFile) -> None:
    slot = file.slot(1)
    assert slot.reading().owner is None
    slot.hand_out("worker")
    assert slot.reading().owner == ("worker", 0, 0)
    assert slot.reading().progress is not None
    assert slot.reading().progress.activity == STARTING  # type: ignore[union-attr]
    slot.cells[1] = 5
    slot.vacate()
    assert slot.reading().owner is None
    assert slot.reading().cells()[1] == 5


def test_the_file_grows_while_others_have_it_open(file: SlotFile, tmp_path: Path) -> None:
    other = SlotFile.open(tmp_path / "slots")
    file.slot(2).cells[0] = 1
    assert file.grow() == 3
    file.slot(3).cells[0] = 2
    assert [reading.cells()[0] for reading in other.readings()] == [0, 0, 1, 2]


@pytest.mark.parametrize("named", [True, False])
def test_it_works_where_files_need_a_name(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_file, "_HAS_UNNAMED", False)
    file = SlotFile.create(2, tmp_path / "slots" if named else None)
    file.slot(1).cells[0] = 3
    assert file.readings()[1].cells()[0] == 3
    if named:
        assert SlotFile.open(tmp_path / "slots").readings()[1].cells()[0] == 3


def test_it_works_where_a_sandbox_refuses_files_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> int:
        raise PermissionError("not permitted")

    monkeypatch.setattr(os, "memfd_create", refused)
    file = SlotFile.create(2, tmp_path / "slots")
    file.slot(1).cells[0] = 3
    assert SlotFile.open(tmp_path / "slots").readings()[1].cells()[0] == 3
    assert (tmp_path / "slots").stat().st_mode & 0o777 == 0o600


def test_an_unfit_file_is_refused_and_the_process_counts_alone(
    file: SlotFile, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UnfitSlotFile, match="no slot 3"):
        file.slot(3)
    monkeypatch.setattr(slot_file, "LAYOUT_HASH", 1)
    own = ProcessSlot()
    own.join(place_of(file, 1), "api")
    own.cells[0] += 1
    assert "are not joined" in caplog.text
    assert own.readings()[0].owner == ("api", os.getpid(), process_start(os.getpid()))
    monkeypatch.undo()
    assert file.readings()[1].cells()[0] == 0
    own.join("nonsense", "api")
    own.join("999999:1", "api")
    assert caplog.text.count("are not joined") == 3
    (empty := os.memfd_create("empty"))
    with pytest.raises(UnfitSlotFile, match="too short"):
        SlotFile(empty)
    os.close(empty)


def test_every_cell_belongs_to_one_metric() -> None:
    ends: list[int] = []
    for metric in COUNTED:
        assert offset(metric) == (ends[-1] if ends else 0)
        ends.append(offset(metric) + width(metric) * len(combinations(metric)))
    assert ends[-1] == CELLS


def test_every_metric_has_a_line_of_help_and_a_unit() -> None:
    for metric in COUNTED:
        assert metric.help.endswith(".")
        assert "\n" not in metric.help
        assert scale(metric) == (10**9 if metric.name.endswith("_seconds") else 1)


def test_a_probe_can_import_it_without_third_parties() -> None:
    script = (
        "import sys; import storage.metrics.slot_file, storage.metrics.process; "
        "print(*[m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)])"
    )
    told = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=CHECKOUT, capture_output=True, text=True
    )
    assert told.stderr == ""
    assert not re.search("site-packages", told.stdout)


def test_what_is_counted_together_has_one_identity_and_each_process_alone_its_own(
    file: SlotFile,
) -> None:
    joined = [ProcessSlot() for _ in range(2)]
    for number, slot in enumerate(joined):
        slot.join(place_of(SlotFile(os.dup(file.fd)), number), "api")
    assert {slot.identity for slot in joined} == {file.identity} != {0}
    alone = ProcessSlot()
    inherited = alone.identity  # as in a fork of a process that has imported this
    alone.join(None, "api")
    assert alone.identity not in (inherited, file.identity)
    assert SlotFile.create(1).identity != file.identity
