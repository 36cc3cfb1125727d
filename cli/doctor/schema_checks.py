"""Checks of the tables: migrations, partitions, indexes."""

from datetime import UTC, datetime, timedelta
from importlib.metadata import version

from cli.doctor.check import Check, Finding, fault, ok, warning
from cli.doctor.subject import Subject
from cli.quantities import counted, duration, noun
from storage.postgres import migrate, partitions
from storage.postgres.partitions import Span

_MIN_DAYS = 2
_MIN_HOURS = 2  # for partitions of an hour, which are made one day ahead
_LATE = timedelta(hours=1)  # maintenance runs each minute


def _migration(subject: Subject) -> Finding:
    known, found = migrate.known_revisions(), subject.database.revision
    head = known[0]
    if found == head:
        return ok(f"the database is at the latest migration, {head} (Alembic {version('alembic')})")
    if found is not None and found not in known:
        return fault(
            f"the database is at migration {found}, which this version does not know (its latest "
            f"is {head})",
            "update this installation to the version that has migrated the database",
        )
    where = f"at migration {found}" if found else "empty"
    return fault(
        f"the database is {where}, and this version needs {head}: events are accepted and wait",
        subject.activity("migrate"),
    )


def _partitions(subject: Subject) -> Finding:
    unit, days = subject.settings.partition_by, subject.worker.partitions_ahead
    spans, now = subject.database.spans, datetime.fromtimestamp(subject.machine.clock(), UTC)
    ahead = covered_until(spans, now) - now
    text = f"partitions reach {duration(ahead.total_seconds())} ahead"
    wanted = [now, *(each for each in partitions.ahead(now - _LATE, days, unit) if each > now)]
    missing = [each for each in wanted if not partitions.covers(spans, each)]
    if not missing:
        return ok(text)
    needed = timedelta(days=min(days, _MIN_DAYS)) - _LATE
    if unit == "hour":
        needed = timedelta(hours=_MIN_HOURS)
    remedy = subject.database.name_taken(missing, unit) or (
        "start a worker, whose maintenance makes them each minute and logs why it can't: "
        + subject.activity("worker")
    )
    return (fault if ahead < needed else warning)(
        f"{text}, and {duration((wanted[-1] - now + _LATE).total_seconds())} are wanted", remedy
    )


def covered_until(spans: list[Span], now: datetime) -> datetime:
    """Return until when partitions follow each other without a gap; now if there is none now."""
    end = now
    for start, stop in spans:
        if start <= end < stop:
            end = stop
    return end


def _indexes(subject: Subject) -> Finding:
    found = subject.database.invalid_indexes
    if not found:
        return ok("every index is valid")
    first = found[0]
    if first.is_built:
        return warning(
            f"the index {first.name} of {first.table} is being built, so queries do not use it yet",
            subject.database.command("SELECT * FROM pg_stat_progress_create_index"),
        )
    statement = f"REINDEX INDEX CONCURRENTLY {first.name}"
    if first.partitioned:
        definition = first.definition.replace(" ON ONLY ", " ON ", 1)
        statement = f"DROP INDEX {first.name}; {definition}"
    return fault(
        f"{counted(len(found), 'index', 'indexes')} of our tables {noun(len(found), 'is', 'are')} "
        f"invalid, so queries read whole partitions; the first: {first.name} of {first.table}",
        subject.database.command(statement),
    )


def _counts(subject: Subject) -> Finding:
    """Compare the counts of the last whole hour with the table: usually a second's work."""
    now = datetime.fromtimestamp(subject.machine.clock(), UTC)
    hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    shown = f"the hour from {hour:%Y-%m-%d %H:%M} UTC"
    if not partitions.covers(subject.database.spans, hour):
        return ok(f"{shown} has no partition, so there is nothing to count")
    wrong = subject.database.differing_counts(hour)
    if wrong is None:
        return warning(
            f"{shown} is not counted yet, so statistics read the table",
            "start a worker, whose maintenance counts all hours, the newest first: "
            + subject.activity("worker"),
        )
    if not wrong:
        return ok(f"the counts of {shown} are those of the table")
    return fault(
        f"the counts of {shown} differ from the table in {counted(wrong, 'place')}: somebody has "
        "written past the triggers of events",
        subject.database.command("TRUNCATE counted_partitions")
        + ", then a worker's maintenance counts again",
    )


CHECKS = (
    Check("database-migration", "`alembic_version`", "", "not the latest", _migration),
    Check(
        "database-partitions",
        "partitions from now on without a gap",
        "one missing of `ACTIVITY_PARTITIONS_AHEAD`",
        f"under {_MIN_DAYS} days (partitions of an hour: {_MIN_HOURS} hours)",
        _partitions,
    ),
    Check(
        "database-indexes",
        "indexes of our tables",
        "one is being built",
        "one is invalid",
        _indexes,
    ),
    Check(
        "database-counts",
        "`event_hours` and `events` of the last whole hour",
        "not counted yet",
        "they differ",
        _counts,
    ),
)
