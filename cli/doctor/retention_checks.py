"""Checks of retention: does it remove what the settings ask for?"""

from cli.doctor.check import Check, Finding, fault, ok, warning
from cli.doctor.subject import Subject
from cli.quantities import counted, duration, noun, size
from storage.retention.plan import MAX_PARTITIONS, MAX_SHARE
from worker.retention import policy_of

_LATE_SECONDS = 600.0  # workers run it each minute


def _retention(subject: Subject) -> Finding:
    state = subject.database.retention
    policy = state.policy_for(policy_of(subject.worker))
    if state.is_braked:
        return warning(
            f"{counted(state.due, 'partition')} {noun(state.due, 'is', 'are')} due, and so much is "
            "not removed without a confirmation",
            f"{subject.activity('retention', 'show')}, then if it is right: "
            + subject.activity("retention", "run", "--yes"),
        )
    if policy.is_off and not state.due:
        return ok("events are kept for good: no ACTIVITY_RETENTION_DAYS, no ACTIVITY_DISK_BUDGET")
    worker = "start a worker, which runs it each minute: " + subject.activity("worker")
    if state.ran_at is None:
        return warning("retention has never run", worker)
    age = subject.machine.clock() - state.ran_at.timestamp()
    if age > _LATE_SECONDS:
        return warning(f"retention has not run for {duration(age)}", worker)
    if state.policy != policy:
        return warning(
            "the workers run retention under other settings than these",
            "restart the workers with the same ACTIVITY_RETENTION_DAYS and ACTIVITY_DISK_BUDGET",
        )
    if state.due:
        return warning(
            f"{counted(state.due, 'partition')} {noun(state.due, 'is', 'are')} due and still "
            "there: a transaction that does not end may still read it",
            "end that transaction (see database-transactions), then "
            + subject.activity("retention", "run"),
        )
    held = f", {state.held} more stay for legal holds" if state.held else ""
    removed = counted(state.partitions_removed, "partition")
    return ok(f"nothing is due; retention has removed {removed} until now{held}")


def _budget(subject: Subject) -> Finding:
    state = subject.database.retention
    budget = state.policy_for(policy_of(subject.worker)).disk_budget
    if budget is None:
        return ok("the database has no budget: ACTIVITY_DISK_BUDGET is not set")
    if not state.excess_bytes:
        return ok(f"the database keeps within its budget of {size(budget)}")
    return fault(
        f"the database is {size(state.excess_bytes)} over its budget of {size(budget)}, and no "
        "partition may be removed any more: events of the last 2 days and those under a legal hold",
        f"raise ACTIVITY_DISK_BUDGET and the disk, or remove holds that are over: "
        f"{subject.activity('holds', 'list')}",
    )


CHECKS = (
    Check(
        "retention",
        "`retention_state` and `ACTIVITY_RETENTION_DAYS`",
        f"over {MAX_PARTITIONS} partitions or {MAX_SHARE:.0%} of the rows wait for a confirmation; "
        f"something is due; no run for {duration(_LATE_SECONDS).removesuffix(' 0 s')}",
        "",
        _retention,
    ),
    Check(
        "disk-budget",
        "`retention_state` and `ACTIVITY_DISK_BUDGET`",
        "",
        "over it, and nothing may be removed",
        _budget,
    ),
)
