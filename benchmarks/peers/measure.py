"""Measure this service and the peers in turns, each from an empty database."""

from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.events import EventMaker
from benchmarks.figures import Part
from benchmarks.load import Request, write_requests
from benchmarks.peers.installing import Installed, NotInstalled, install
from benchmarks.peers.peer import MQ_BRIDGE, PEERS, Peer
from benchmarks.peers.running import our_service, peer_service
from benchmarks.peers.turn import Turn, take
from benchmarks.peers.verdict import OURS, PACED, part
from benchmarks.rounds import alternate

_EVENTS = 4_000
_PER_SECOND = 3_000  # in the paced turns: both systems can handle it easily

Measures = dict[str, Callable[[], Turn]]


def measure(bench: Bench, folder: Path) -> Part:
    """Measure this service beside every peer that can be installed below `folder`."""
    installed: dict[str, Installed] = {}
    missing: dict[str, str] = {}
    for peer in PEERS:
        try:
            installed[peer.name] = install(peer, folder)
        except NotInstalled as error:
            missing[peer.name] = str(error)
    return part(alternate(_measures(bench, installed), bench.pace.rounds), missing)


def _measures(bench: Bench, installed: dict[str, Installed]) -> Measures:
    """Return the turns: all systems at full load, then ours and the leanest peer at one pace."""
    peers = [peer for peer in PEERS if peer.name in installed]
    full = {peer.name: partial(_peer, bench, peer, installed[peer.name]) for peer in peers}
    found: Measures = {OURS: partial(_ours, bench), **full}
    if MQ_BRIDGE.name in full:
        found[OURS + PACED] = partial(_ours, bench, _PER_SECOND)
        found[MQ_BRIDGE.name + PACED] = partial(full[MQ_BRIDGE.name], _PER_SECOND)
    return found


def _ours(bench: Bench, rate: float | None = None) -> Turn:
    with our_service(bench) as running:
        return take(bench, running, _posts(bench, "/events"), rate)


def _peer(bench: Bench, peer: Peer, installed: Installed, rate: float | None = None) -> Turn:
    with peer_service(bench, peer, installed) as running:
        return take(bench, running, _posts(bench, peer.target), rate)


def _posts(bench: Bench, target: str) -> Path:
    """Make the same events for every system."""
    made = islice(EventMaker("peers"), _EVENTS)
    requests = (Request("POST", target, one.body()) for one in made)
    return write_requests(bench.folder / "peers", requests)
