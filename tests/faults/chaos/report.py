"""Render the report of a run, as Markdown that is readable in a terminal too."""

import os
import platform
from collections import defaultdict
from collections.abc import Sequence

from tests.faults.chaos.outside import SERVER
from tests.faults.chaos.run import SLOW_SECONDS, Happened, Result


def render(result: Result) -> str:
    """Render all that a reader needs to check a run or to repeat it."""
    verdict = "**passed**" if not result.problems else "**failed**"
    parts = [
        "# Reliability",
        _what(result),
        f"Verdict: {verdict}",
        *(f"- {problem}" for problem in result.problems),
        "## Events",
        _table(["", "events"], _events(result)),
        "## Faults",
        _table(["fault", "times", "longest recovery", "longest gap"], _faults(result)),
        _RECOVERY,
        _table(["figure", "counts"], _MEANINGS, align="---"),
    ]
    return "\n\n".join(part for part in parts if part).replace("\n\n- ", "\n- ") + "\n"


_RECOVERY = f"""A *recovery* is the time from the end of a fault (or from the kill) until new
events, posted to both addresses, are acknowledged and their receipts say `stored`. It must stay
below {SLOW_SECONDS:g} s. A *gap* is a time, from the beginning of the fault on, in which the load
got no acknowledgement."""

_MEANINGS = [
    [
        "unanswered",
        "requests that were running when something was broken; their events may be stored, once, "
        "and are never sent again",
    ],
    ["unconnected", "requests that found no listening process"],
    ["lost", "acknowledged ids that are in neither `events` nor `dead_letters`"],
    [
        "told by /status as lost",
        "events that a failover of the queue may have lost; workers may have stored some of them",
    ],
    ["waiting", "such ids that are still on the queue one minute after the load has ended"],
    ["doubled", "events stored under two ids, or ids stored twice"],
    ["invented", "rows that nobody posted"],
    ["altered", "acknowledged ids that hold the content of another event"],
    ["stale pages", "pages without an event that was stored before the request"],
    [
        "misplaced dead letters",
        "dead letters of events that PostgreSQL was not made to refuse, and the reverse",
    ],
    [
        "false statements of /status",
        "a figure of a queue that is frozen, a backlog that the queue did not have, events "
        "unaccounted for, or a shard that makes no progress and is not reported",
    ],
    [
        "requests failed during rolling restarts",
        "requests, over kept and over new connections, without a successful answer",
    ],
]


def _what(result: Result) -> str:
    options = result.options
    command = f"make chaos SECONDS={options.seconds:g} SEED={options.seed} RATE={options.rate}"
    if options.queue != SERVER:
        command += f" QUEUE={options.queue} REPLICAS={options.replicas}"
    posted, kinds = result.counts["posted"], len({fault.kind for fault in result.faults})
    return (
        f"`{command}` on {os.cpu_count()} cores ({platform.system()}, Python "
        f"{platform.python_version()}): seed {options.seed}, {result.seconds:.0f} s, "
        f"{posted / result.seconds:,.0f} events/s posted, {len(result.faults)} faults of "
        f"{kinds} kinds."
    )


def _events(result: Result) -> list[list[str]]:
    found, verdict = result.verdict.comparison, result.verdict
    outcomes = dict(result.counts["outcomes"])
    acknowledged = outcomes.pop("acknowledged", 0)
    probes = found.acknowledged - acknowledged - len(result.served.promised)
    rows: list[tuple[str, int]] = [
        ("posted", result.counts["posted"]),
        ("acknowledged", acknowledged),
        *((_outcome(name), count) for name, count in sorted(outcomes.items())),
        ("acknowledged probes, on top", probes),
        ("stored", found.stored),
        ("dead letters", found.dead),
        ("doubled", len(found.doubled)),
        ("waiting", len(found.waiting)),
        ("lost", len(found.lost)),
        ("told by /status as lost", verdict.told),
        ("invented", len(found.invented)),
        ("altered", len(found.altered)),
        ("shards out of balance", len(verdict.unbalanced)),
        ("stale pages", len(verdict.stale)),
        ("requests answered during rolling restarts, on top", result.served.answered),
        ("requests failed during rolling restarts", len(result.served.failures)),
        ("events that a reader of the feed got", result.followed.events),
        ("connections of that reader", result.followed.connections),
        ("stored events that it missed", len(result.followed.missed)),
        ("events that it got twice", len(result.followed.twice)),
        ("misplaced dead letters", len(verdict.misplaced)),
        ("answers of /status compared with the truth", result.statements),
        ("false statements of /status", len(result.false_statements)),
    ]
    return [[name, f"{count:,}"] for name, count in rows]


def _outcome(name: str) -> str:
    return f"refused with {name}" if name.isdigit() else name


def _faults(result: Result) -> list[list[str]]:
    by_kind: dict[str, list[Happened]] = defaultdict(list)
    for fault in result.faults:
        by_kind[fault.kind].append(fault)
    rows = [[kind, *_figures(each)] for kind, each in sorted(by_kind.items())]
    return [*rows, ["**all**", *(f"**{text}**" for text in _figures(result.faults))]]


def _figures(faults: Sequence[Happened]) -> list[str]:
    """Return the number of faults, the longest recovery, and the longest gap."""
    recovery = max((fault.recovery for fault in faults), default=0.0)
    gap = max((fault.gap for fault in faults), default=0.0)
    return [str(len(faults)), f"{recovery:.2f} s", f"{gap:.2f} s"]


def _table(head: list[str], rows: list[list[str]], align: str = "--:") -> str:
    ruler = ["---", *[align] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ruler, *rows])
