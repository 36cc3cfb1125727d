"""Checks of erasures: is a person erased in time?"""

from cli.doctor.check import Check, Finding, ok, warning
from cli.doctor.subject import Subject
from cli.quantities import counted, duration

_LATE_SECONDS = 3600.0  # as the alert says


def _erasures(subject: Subject) -> Finding:
    found = subject.database.erasures
    if not found:
        return ok("nobody waits to be erased")
    age = subject.machine.clock() - found[0].started_at.timestamp()
    if age <= _LATE_SECONDS:
        return ok(f"{counted(len(found), 'erasure')} under way, for {duration(max(age, 0))}")
    waits = f", waits for {found[0].waits_for}" if found[0].waits_for else ""
    return warning(
        f"an erasure is not done after {duration(age)}: {found[0].step}{waits}",
        "see ActivityErasureLate in docs/operations.md, and let workers go on: "
        + subject.activity("erase", "--list"),
    )


CHECKS = (
    Check(
        "erasures",
        "`erasures`",
        f"one is not done after {duration(_LATE_SECONDS).removesuffix(' 0 min')}",
        "",
        _erasures,
    ),
)
