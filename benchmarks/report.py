"""Render the results as markdown tables. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.figures import WANTED, Wanted
from benchmarks.results import Results
from benchmarks.rounds import Spread

CHANGED = 0.10  # a smaller difference from the last run is noise of the machine


def report(
    results: Results,
    last: Results | None = None,
    peers: Results | None = None,
    wanted: Sequence[Wanted] = WANTED,
) -> str:
    """Return the whole report: the table of goals, then all other figures."""
    parts = [_heading(results), table(results, last, peers, wanted), changes(results, last)]
    parts += [details(name, rows) for name, rows in results.details.items()]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(
    results: Results,
    last: Results | None = None,
    peers: Results | None = None,
    wanted: Sequence[Wanted] = WANTED,
) -> str:
    """Return each figure beside its goal, its range over the rounds, and the last committed figure.

    Figures that only the run beside the peers measures come from the last such run.
    """
    rows = [_row(one, results, last, peers) for one in wanted]
    head = ["what", "wanted", "measured", "range", "met"] + (["last"] if last else [])
    return markdown(head, [row[: len(head)] for row in rows])


def changes(results: Results, last: Results | None) -> str:
    """Return what is better or worse than in the last committed run, by a tenth or more."""
    if last is None:
        return ""
    found = [line for wanted in WANTED if (line := _change(wanted, results, last))]
    if not found:
        return f"Against {last.commit} of {last.day}: no figure differs by a tenth."
    return "\n".join([f"Against {last.commit} of {last.day}:", *(f"- {line}" for line in found)])


def details(name: str, rows: Mapping[str, Mapping[str, float]]) -> str:
    """Return one measurement's rows, with a column for each name that a row has."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    body = [
        [what, *(number(row[column]) if column in row else "" for column in columns)]
        for what, row in rows.items()
    ]
    return f"### {name}\n\n" + markdown(["", *(c.replace("_", " ") for c in columns)], body)


def number(value: float) -> str:
    """Format three significant digits, with separators of thousands."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _heading(results: Results) -> str:
    machine = ", ".join(f"{name}: {value}" for name, value in results.machine.items())
    kind = "quick run" if results.quick else "full run"
    return (
        f"{results.day}, commit {results.commit or 'unknown'}, {kind} of {results.seconds:.0f} s. "
        f"{machine[0].upper()}{machine[1:]}."
    )


def _row(
    wanted: Wanted, results: Results, last: Results | None, peers: Results | None
) -> list[str]:
    bound = f"{wanted.sense} {number(wanted.bound)}{_unit(wanted)}"
    before = last.figures.get(wanted.key) if last else None
    old = number(before.median) if before else ""
    found, whence = results.figures.get(wanted.key), ""
    if found is None and peers is not None:
        found, whence = peers.figures.get(wanted.key), f" (on {peers.day} by `make bench-peers`)"
    if found is None:
        reason = results.unmeasured.get(wanted.key, "its part was left out")
        return [wanted.what, bound, f"not measured: {reason}", "", "", old]
    met = "yes" if wanted.met(found.median) else "**no**"
    measured = f"{number(found.median)}{_unit(wanted)}{whence}"
    return [wanted.what, bound, measured, _range(found), met, old]


def _range(found: Spread) -> str:
    if found.rounds == 1:
        return ""
    return f"{number(found.low)} to {number(found.high)}"


def _change(wanted: Wanted, results: Results, last: Results) -> str:
    now, before = results.figures.get(wanted.key), last.figures.get(wanted.key)
    if now is None or before is None or not before.median:
        return ""
    share = now.median / before.median - 1
    if abs(share) < CHANGED:
        return ""
    better = (share > 0) == (wanted.sense == "at least")
    return f"{'better' if better else 'worse'} by {abs(share):.0%}: {wanted.what}"


def _unit(wanted: Wanted) -> str:
    return f" {wanted.unit}" if wanted.unit else ""


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
