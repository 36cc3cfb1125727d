"""Beside the peers: what is installed, how long rows are waited for, and what the turns say."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.load import Load
from benchmarks.peers import rows as rows_module
from benchmarks.peers.installing import PROGRAMS, NotInstalled, install
from benchmarks.peers.peer import FASTSTREAM, MQ_BRIDGE, PARSE, PEERS, Peer
from benchmarks.peers.rows import Rows
from benchmarks.peers.running import addresses
from benchmarks.peers.turn import Turn, take
from benchmarks.peers.verdict import part
from benchmarks.rounds import Spread
from storage.settings import StorageSettings


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_program_of_a_peer_is_there(peer: Peer) -> None:
    assert all((PROGRAMS / name).is_file() for name in peer.programs.values())


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_package_is_pinned_to_one_version_and_no_place(peer: Peer) -> None:
    text = (PROGRAMS / peer.packages).read_text()
    if peer is PARSE:
        assert all(version[0].isdigit() for version in json.loads(text)["dependencies"].values())
    else:
        assert all("==" in line for line in text.splitlines())
    assert "//" not in text


class Commands:
    """Takes the place of running pip and npm."""

    def __init__(self) -> None:
        self.run_: list[str] = []
        self.fails_saying: str | None = None

    def run(self, command: list[str], **_: object) -> SimpleNamespace:
        self.run_.append(" ".join(command))
        failed = self.fails_saying is not None
        return SimpleNamespace(returncode=int(failed), stdout=self.fails_saying or "")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    found = Commands()
    monkeypatch.setattr(subprocess, "run", found.run)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    return found


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_is_installed_once(peer: Peer, commands: Commands, tmp_path: Path) -> None:
    first = install(peer, tmp_path)
    assert any("install" in command for command in commands.run_)
    commands.run_.clear()
    assert install(peer, tmp_path) == first
    assert commands.run_ == []


def test_other_versions_are_installed_into_an_empty_folder(
    commands: Commands, tmp_path: Path
) -> None:
    install(PARSE, tmp_path)
    (tmp_path / "parse" / "installed").write_text("other versions")
    (tmp_path / "parse" / "leftover").touch()
    commands.run_.clear()
    install(PARSE, tmp_path)
    assert len(commands.run_) == 1
    assert not (tmp_path / "parse" / "leftover").exists()


def test_an_installation_that_failed_says_why_and_is_tried_again(
    commands: Commands, tmp_path: Path
) -> None:
    commands.fails_saying = "many lines\nNo matching distribution found\n"
    with pytest.raises(NotInstalled, match="failed: No matching distribution found"):
        install(MQ_BRIDGE, tmp_path)
    commands.fails_saying = None
    commands.run_.clear()
    install(MQ_BRIDGE, tmp_path)
    assert len(commands.run_) == 2


def test_without_node_parse_is_left_out_and_the_others_are_not(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.peers.installing.shutil.which", lambda name: None)
    with pytest.raises(NotInstalled, match="node and npm are missing"):
        install(PARSE, tmp_path)
    install(FASTSTREAM, tmp_path)


def test_peers_find_the_servers_by_the_same_sockets() -> None:
    settings = StorageSettings(
        database_url="postgresql+psycopg2://activity@/test_1?host=%2Fdata%2Frun",
        queue_url="unix:///data/run/queue.sock?db=0",
        _env_file=None,
    )
    assert addresses(settings, 8080) == {
        "PGHOST": "/data/run",
        "PGUSER": "activity",
        "PGDATABASE": "test_1",
        "PEER_QUEUE_URL": "unix:///data/run/queue.sock?db=0",
        "PEER_PORT": "8080",
    }


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class CountedRows(Rows):
    """Counts what a function of the time says."""

    def __init__(self, at: Callable[[float], int], clock: Clock) -> None:
        self._at, self._clock = at, clock

    def count(self) -> int:
        return self._at(self._clock.now)

    def cpu_seconds(self) -> float:
        return self._clock.now / 100


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    found = Clock()
    monkeypatch.setattr(rows_module, "time", found)
    return found  # type: ignore[return-value]


def test_the_last_row_ends_the_wait(clock: Clock) -> None:
    rows = CountedRows(lambda now: int(now * 100), clock)
    found, end = rows.wait_for(1000)
    assert found >= 1000
    assert 10 <= end < 10.5


def test_rows_that_no_longer_come_are_not_waited_for_and_not_timed(clock: Clock) -> None:
    rows = CountedRows(lambda now: min(int(now * 100), 500), clock)
    found, end = rows.wait_for(1000)
    assert (found, round(end)) == (500, 5)
    assert clock.now > end + 10  # longer than a peer takes to try an event again


def test_what_still_comes_after_the_warming_up_is_waited_for(clock: Clock) -> None:
    rows = CountedRows(lambda now: min(int(now * 10), 30), clock)
    assert rows.wait_still() == 30


def load(requests: int = 1000, refused: int = 0) -> Load:
    return Load(requests, 2.0, refused, 0, 5.0, 9.0, 20.0, 0, 0, 0, 0.2)


def test_a_turn_tells_cpu_by_role_without_the_counting_and_what_was_lost(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def posted(*_: object) -> Load:
        clock.sleep(2)
        return load(requests=1000)

    used = {1: 0.5, 2: 0.25, 3: 0.1}  # seconds of CPU a second
    monkeypatch.setattr("benchmarks.peers.turn.time", clock)
    monkeypatch.setattr("benchmarks.peers.turn.run", posted)
    monkeypatch.setattr(
        "benchmarks.peers.turn.cpu_seconds", lambda pids: sum(used[p] * clock.now for p in pids)
    )
    # After the warming up there are 1,000; 900 of the next 1,000 come, the last after 6 s.
    rows = CountedRows(lambda now: 1000 + int(min(max(now - 3, 0) * 300, 900)), clock)
    bench = SimpleNamespace(
        pids=lambda: {"postgres": 2, "queue": 3}, pace=SimpleNamespace(seconds=1)
    )
    running = SimpleNamespace(url="http://x", pids={"api": [1]}, rows=rows)
    turn = take(bench, running, Path("posts"))  # type: ignore[arg-type]
    assert turn.lost == 100
    assert turn.stored_per_second == pytest.approx(900 / 3, rel=0.1)
    seconds = clock.now - 3  # 2 s and 1 s of quiet went before
    assert turn.cpu_us["api"] == pytest.approx(0.5 * seconds / 900 * 1e6)
    assert turn.cpu_us["postgres"] == pytest.approx((0.25 - 0.01) * seconds / 900 * 1e6)


def turn(cpu: float, rate: float = 500, lost: int = 0) -> Turn:
    return Turn(load(int(rate * 2)), rate * 0.9, {"api": cpu / 2, "postgres": cpu / 2}, lost)


TURNS = {
    "ours": [turn(100), turn(200), turn(120)],
    "mq_bridge": [turn(100, 1000), turn(400, 1000), turn(100, 1000)],
    "faststream": [turn(500, lost=1), turn(600, lost=2), turn(600)],
    "ours, paced": [turn(80), turn(80), turn(80)],
    "mq_bridge, paced": [turn(160), turn(160), turn(160)],
}


def test_cpu_is_held_against_the_peers_round_by_round() -> None:
    figures = {figure.key: figure.value for figure in part(TURNS, {}).figures}
    assert figures == {
        "cpu_vs_mq_bridge": Spread(1.0, 0.5, 1.2, 3),
        "cpu_faststream_vs_ours": Spread(5.0, 3.0, 5.0, 3),
    }


def test_details_tell_ratios_and_every_turn_beside_its_own_kind() -> None:
    details = part(TURNS, {}).details
    assert details["ours / mq_bridge"] == {
        "cpu_us": 1.0,
        "accepted_per_second": 0.5,
        "stored_per_second": 0.5,
    }
    assert details["ours / mq_bridge, paced"]["cpu_us"] == 0.5
    assert details["faststream"]["lost"] == 3
    assert details["ours"]["api_cpu_us"] == 60


def test_a_peer_that_is_left_out_says_so_in_its_figure() -> None:
    found = part({"ours": TURNS["ours"]}, {"mq_bridge": "pip failed", "parse": "no node"})
    assert found.figures == []
    assert found.unmeasured == {"cpu_vs_mq_bridge": "pip failed", "parse": "no node"}
