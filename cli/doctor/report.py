"""The report of `activity doctor`, as JSON and as text. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from cli.doctor.check import Verdict
from cli.doctor.examination import Result
from cli.exit_status import DONE, FAILED
from cli.quantities import counted

_WIDTH = max(map(len, Verdict))


def exit_status(results: Sequence[Result]) -> int:
    """Return 1 if there is a fault, else 0."""
    return FAILED if _worst(results) is Verdict.FAULT else DONE


def as_document(results: Sequence[Result], version: str) -> dict[str, Any]:
    """Return the report as JSON. Names and fields keep their meaning over versions."""
    counts = Counter(result.finding.verdict for result in results)
    return {
        "verdict": str(_worst(results)),
        "version": version,
        "counts": {str(verdict): counts[verdict] for verdict in Verdict},
        "checks": [
            {
                "name": result.check.name,
                "verdict": str(result.finding.verdict),
                "text": result.finding.text,
                "remedy": result.finding.remedy or None,
            }
            for result in results
        ],
    }


def as_text(results: Sequence[Result]) -> str:
    """Return the report for people: the summary, then the checks, the worst first."""
    ordered = sorted(results, key=lambda one: _order(one.finding.verdict))
    lines = [line for result in ordered for line in _lines(result)]
    return "\n".join([_summary(results), "", *lines])


def _summary(results: Sequence[Result]) -> str:
    counts = Counter(result.finding.verdict for result in results)
    return (
        f"{counted(counts[Verdict.FAULT], 'fault')}, "
        f"{counted(counts[Verdict.WARNING], 'warning')}, {counts[Verdict.UNKNOWN]} unknown, "
        f"{counts[Verdict.OK]} ok"
    )


def _lines(result: Result) -> Iterator[str]:
    finding = result.finding
    yield f"{finding.verdict:<{_WIDTH}}  {result.check.name}: {finding.text}"
    if finding.remedy:
        yield f"{'':<{_WIDTH}}  remedy: {finding.remedy}"


def _worst(results: Sequence[Result]) -> Verdict:
    return min((result.finding.verdict for result in results), key=_order, default=Verdict.OK)


def _order(verdict: Verdict) -> int:
    return list(Verdict).index(verdict)
