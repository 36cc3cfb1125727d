"""What retention would remove or has removed, as a document and for people. Pure."""

from typing import Any

from cli.quantities import counted, number, size, table
from storage.retention.plan import Plan, Policy
from storage.retention.removal import Removal
from storage.retention.run import Run
from storage.retention.state import RetentionState, stops

_HEAD = ("PARTITION", "FROM", "TO", "ROWS", "SIZE", "WHAT HAPPENS")


def of_plan(policy: Policy, state: RetentionState, plan: Plan) -> dict[str, Any]:
    """Return what is set, what was found last, and each partition with what a run would do."""
    causes = {one.partition.oid: one.cause for one in plan.due}
    holds = {one.partition.oid: [str(hold.id) for hold in one.holds] for one in plan.kept}
    return {
        "retention_days": policy.days,
        "disk_budget_bytes": policy.disk_budget,
        "database_bytes": plan.bytes,
        "excess_bytes": plan.excess_bytes,
        "horizon": state.horizon.isoformat() if state.horizon else None,
        "last_run": state.ran_at.isoformat() if state.ran_at else None,
        "last_run_had_other_settings": state.ran_at is not None and state.policy != policy,
        "partitions_removed": state.partitions_removed,
        "due_partitions": len(plan.due),
        "due_rows": plan.rows,
        "needs_yes": stops(plan, policy, state),
        "partitions": [
            {
                "name": one.name,
                "from": one.span[0].isoformat(),
                "to": one.span[1].isoformat(),
                "rows": one.rows,
                "bytes": one.bytes,
                "due": causes.get(one.oid),
                "holds": holds.get(one.oid, []),
            }
            for one in plan.partitions
        ],
    }


def of_run(done: Run) -> dict[str, Any]:
    """Return what a run has removed, and what it has left."""
    return {
        "removed": [_removal(one) for one in done.removed],
        "left": [_removal(one) for one in done.left],
        "held": [one.partition.name for one in done.plan.kept],
        "due_partitions": len(done.plan.due),
        "is_braked": done.is_braked,
        "excess_bytes": done.plan.excess_bytes,
    }


def text(document: dict[str, Any]) -> str:
    """Return the document of `of_plan` for people."""
    days, budget = document["retention_days"], document["disk_budget_bytes"]
    lines = [
        f"age      {counted(days, 'day') if days else 'no limit (ACTIVITY_RETENTION_DAYS)'}",
        f"budget   {size(budget) if budget else 'no limit (ACTIVITY_DISK_BUDGET)'}; the database "
        f"has {size(document['database_bytes'])}",
        f"horizon  {document['horizon'] or 'none: nothing was removed yet'}",
        f"last run {document['last_run'] or 'none yet'}",
        f"due      {counted(document['due_partitions'], 'partition')}, about "
        f"{counted(document['due_rows'], 'row')}",
    ]
    if document["last_run_had_other_settings"]:
        lines[3] += ", under other settings: the workers may have these"
    if document["needs_yes"]:
        lines.append("         so much is removed only by `activity retention run --yes`")
    if document["excess_bytes"]:
        lines.append(f"         {size(document['excess_bytes'])} over the budget stay over it")
    if document["partitions"]:
        lines += ["", table([_HEAD, *map(_row, document["partitions"])])]
    return "\n".join(lines)


def run_text(document: dict[str, Any]) -> str:
    """Return the document of `of_run` for people."""
    lines = [
        f"{one['name']}  removed: about {counted(one['rows'], 'row')}, {size(one['bytes'])}"
        for one in document["removed"]
    ]
    lines += [
        f"{one['name']}  a query or a transaction still uses it; a later run goes on"
        for one in document["left"]
    ]
    lines += [f"{name}  stays for a legal hold" for name in document["held"]]
    return "\n".join(lines) or "nothing was removed"


def _removal(one: Removal) -> dict[str, Any]:
    return {"name": one.name, "rows": one.rows, "bytes": one.bytes, "cause": one.cause}


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    bounds = (one[name][:16].replace("T", " ") for name in ("from", "to"))
    what = f"stays for {counted(len(one['holds']), 'legal hold')}" if one["holds"] else "stays"
    if one["due"]:
        what = {"age": "is removed: past the age", "budget": "is removed: over the budget"}[
            one["due"]
        ]
    return one["name"], *bounds, number(one["rows"]), size(one["bytes"]), what
