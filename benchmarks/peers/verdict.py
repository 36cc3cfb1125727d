"""Compute ratios round by round, and each system's own figures. Pure."""

from collections.abc import Callable, Mapping, Sequence

from benchmarks.figures import Figure, Part
from benchmarks.peers.peer import FASTSTREAM, MQ_BRIDGE
from benchmarks.peers.turn import Turn
from benchmarks.rounds import Spread, ratio, spread

OURS = "ours"
PACED = ", paced"  # suffix of a turn below full load
FIGURES = {MQ_BRIDGE.name: "cpu_vs_mq_bridge", FASTSTREAM.name: "cpu_faststream_vs_ours"}

Turns = Mapping[str, Sequence[Turn]]


def part(turns: Turns, missing: Mapping[str, str]) -> Part:
    """Return the part of the results. `turns` by system; `missing`: the peers left out, and why."""
    figures = []
    if MQ_BRIDGE.name in turns:
        figures.append(Figure(FIGURES[MQ_BRIDGE.name], _ratio(turns, OURS, MQ_BRIDGE.name, _cpu)))
    if FASTSTREAM.name in turns:
        figures.append(Figure(FIGURES[FASTSTREAM.name], _ratio(turns, FASTSTREAM.name, OURS, _cpu)))
    details = {
        **{f"ours / {name}": _beside(turns, name) for name in turns if not name.startswith(OURS)},
        **{name: _detail(found) for name, found in turns.items()},
    }
    return Part("peers", figures, details, {FIGURES.get(k, k): why for k, why in missing.items()})


def _beside(turns: Turns, name: str) -> dict[str, float]:
    ours = OURS + PACED if name.endswith(PACED) else OURS
    reads = {"cpu_us": _cpu, "accepted_per_second": _accepted, "stored_per_second": _stored}
    return {what: _ratio(turns, ours, name, read).median for what, read in reads.items()}


def _ratio(turns: Turns, one: str, other: str, read: Callable[[Turn], float]) -> Spread:
    return ratio([read(turn) for turn in turns[one]], [read(turn) for turn in turns[other]])


def _detail(found: Sequence[Turn]) -> dict[str, float]:
    roles = {role: [turn.cpu_us[role] for turn in found] for role in found[0].cpu_us}
    return {
        "cpu_us": spread([_cpu(turn) for turn in found]).median,
        "accepted_per_second": spread([_accepted(turn) for turn in found]).median,
        "stored_per_second": spread([_stored(turn) for turn in found]).median,
        "p50_ms": spread([turn.load.p50_ms for turn in found]).median,
        "p99_ms": spread([turn.load.p99_ms for turn in found]).median,
        "lost": sum(turn.lost for turn in found),
        **{f"{role}_cpu_us": spread(used).median for role, used in roles.items()},
        "wrk_cores": spread([turn.load.cpu_seconds / turn.load.seconds for turn in found]).median,
    }


def _cpu(turn: Turn) -> float:
    return sum(turn.cpu_us.values())


def _accepted(turn: Turn) -> float:
    return turn.load.rate


def _stored(turn: Turn) -> float:
    return turn.stored_per_second
