"""Checks of PostgreSQL: does it keep what it commits, and does it keep up?"""

from cli.doctor.check import Check, Finding, fault, ok, unknown, warning
from cli.doctor.database_facts import DatabaseFacts
from cli.doctor.server_checks import answers
from cli.doctor.subject import Subject
from cli.quantities import counted, duration, number
from storage.postgres.session import MIN_VERSION
from storage.postgres.standby import to_mend

LONG_SECONDS = 600.0
MIN_DEAD_ROWS = 10_000
_DEAD_SHARE = 0.5  # autovacuum starts at 0.2 of the rows
_OLD = 1_200_000_000  # transactions; PostgreSQL stops at 2,000,000,000
_LATE = 1.5  # times the age at which autovacuum must freeze


def _version(subject: Subject) -> Finding:
    number = subject.database.setting("server_version")
    if subject.database.setting("in_hot_standby") == "on":
        return fault(
            f"PostgreSQL {number} is a standby, which can't be written to: events wait",
            "name the primary in ACTIVITY_DATABASE_URL, or promote this server: "
            + subject.database.command("SELECT pg_promote()"),
        )
    return ok(f"PostgreSQL is {number}")


def _durability(subject: Subject) -> Finding:
    database = subject.database
    for name, harm in _UNSAFE.items():
        if database.setting(name) == "off":
            return fault(f"PostgreSQL has {name} off, so {harm}", _alter(database, name, "on"))
    if database.setting("synchronous_commit") == "off":
        return warning(
            "PostgreSQL has synchronous_commit off; drains turn it on for themselves, but a replay "
            "of dead letters may be undone by a crash",
            _alter(database, "synchronous_commit", "on"),
        )
    return ok("PostgreSQL has fsync, full_page_writes and synchronous_commit on")


def _standbys(subject: Subject) -> Finding:
    database = subject.database
    names = database.setting("synchronous_standby_names")
    if not database.has_several_hosts:
        return ok("ACTIVITY_DATABASE_URL names one host")
    if not names:
        return warning(
            "ACTIVITY_DATABASE_URL names several hosts, and PostgreSQL has no "
            "synchronous_standby_names: a failover loses committed events, which the queue has "
            "forgotten",
            _alter(database, "synchronous_standby_names", "'*'") + " (Patroni: synchronous_mode)",
        )
    found = database.standbys
    look = database.command("SELECT application_name, state, sync_state FROM pg_stat_replication")
    if found.synchronous:
        return ok(f"commits wait for {counted(found.synchronous, 'synchronous standby')}")
    if found.hidden:
        return unknown(
            f"PostgreSQL hides the state of {counted(found.hidden, 'standby')} from this user",
            "GRANT pg_read_all_stats TO this user",
        )
    return fault(
        "PostgreSQL waits for a synchronous standby, and none is connected: no event is stored",
        f"start a standby that synchronous_standby_names names, and look at {look}",
    )


def _read_standbys(subject: Subject) -> Finding:
    found = subject.database.read_standbys
    problems = [f"{name}: {problem}" for name, problem in to_mend(found).items()]
    if not found:
        return ok("ACTIVITY_READ_URL names no standby: readers use the primary")
    if not problems:
        usable = sum(problem is None for problem in found.values())
        return ok(f"readers may use {counted(usable, 'standby')}")
    return warning(
        f"readers use the primary in place of {counted(len(problems), 'standby')}; "
        + "; ".join(problems),
        "start these servers as standbys of ACTIVITY_DATABASE_URL, or correct ACTIVITY_READ_URL",
    )


def _transactions(subject: Subject) -> Finding:
    found = subject.database.long_transactions(LONG_SECONDS)
    if found.found:
        first = found.found[0]
        return warning(
            f"{counted(len(found.found), 'transaction')} open for more than "
            f"{duration(LONG_SECONDS)}, so vacuum removes nothing that is newer; the oldest: "
            f"{first.name}, for {duration(first.seconds)}",
            f"if nobody needs it: {subject.database.command(first.remedy)}",
        )
    if found.hidden:
        return unknown(
            f"PostgreSQL hides {counted(found.hidden, 'session')} of other users from this user",
            "GRANT pg_read_all_stats TO this user",
        )
    return ok(f"no transaction is open for more than {duration(LONG_SECONDS)}")


def _vacuum(subject: Subject) -> Finding:
    database = subject.database
    for name in ("autovacuum", "track_counts"):
        if database.setting(name) == "off":
            return fault(
                f"PostgreSQL has {name} off: tables grow, and in the end it refuses every write",
                _alter(database, name, "on"),
            )
    return _frozen_age(database) or _dead_rows(database)


def _frozen_age(database: DatabaseFacts) -> Finding | None:
    age, limit = database.frozen_age, int(database.setting("autovacuum_freeze_max_age"))
    if age <= _LATE * limit and age < _OLD:
        return None
    return (fault if age >= _OLD else warning)(
        f"the oldest rows are {number(age)} transactions old, and autovacuum should freeze them at "
        f"{number(limit)}; PostgreSQL refuses writes before 2,000,000,000",
        database.command("VACUUM (FREEZE, VERBOSE)"),
    )


def _dead_rows(database: DatabaseFacts) -> Finding:
    late = [
        each
        for each in database.dead_rows
        if each.dead > MIN_DEAD_ROWS and each.dead > _DEAD_SHARE * each.live
    ]
    if late:
        first = late[0]
        return warning(
            f"autovacuum is late: {first.table} has {counted(first.dead, 'dead row')} beside "
            f"{counted(first.live, 'row')}",
            database.command(f"VACUUM (ANALYZE) {first.table}"),
        )
    dead = sum(each.dead for each in database.dead_rows)
    return ok(
        f"autovacuum keeps up: {counted(dead, 'dead row')}, the oldest rows are "
        f"{number(database.frozen_age)} transactions old"
    )


def _dead_letters(subject: Subject) -> Finding:
    found = subject.database.ledger.dead_letters
    if not found:
        return ok("no dead letters")
    return warning(
        f"{counted(found, 'dead letter')}: accepted events that PostgreSQL refused",
        f"{subject.activity('dead-letters', 'list')}, then replay or discard them",
    )


def _alter(database: DatabaseFacts, name: str, value: str) -> str:
    return (
        f"{database.command(f'ALTER SYSTEM SET {name} = {value}')}, then "
        f"{database.command('SELECT pg_reload_conf()')}"
    )


_UNSAFE = {
    "fsync": "a crash of its machine loses or damages committed events",
    "full_page_writes": "a crash of its machine may damage pages of its tables",
}

CHECKS = (
    answers("database"),
    Check(
        "database-version",
        "version and kind of server",
        "",
        f"a standby; older than {MIN_VERSION} (as `database-answers`)",
        _version,
    ),
    Check(
        "database-durability",
        "`fsync`, `full_page_writes`, `synchronous_commit`",
        "`synchronous_commit` off",
        "one of the others off",
        _durability,
    ),
    Check(
        "database-standbys",
        "`synchronous_standby_names`, connected standbys; with several hosts in the address",
        "no name",
        "names, and no such standby is connected",
        _standbys,
    ),
    Check(
        "database-read-standbys",
        "each host of `ACTIVITY_READ_URL`: `system_identifier`, timeline, `pg_is_in_recovery()`",
        "no answer, another system or timeline, a primary without a usable standby beside it",
        "",
        _read_standbys,
    ),
    Check(
        "database-transactions",
        "open and prepared transactions",
        f"over {duration(LONG_SECONDS).removesuffix(' 0 s')}",
        "",
        _transactions,
    ),
    Check(
        "database-vacuum",
        "`autovacuum`, dead rows, age of the oldest rows",
        f"over {MIN_DEAD_ROWS:,} dead rows and {_DEAD_SHARE:.0%} of a table; "
        f"{_LATE:g} times `autovacuum_freeze_max_age`",
        f"off; {_OLD:,} transactions",
        _vacuum,
    ),
    Check("dead-letters", "`dead_letters`", "any", "", _dead_letters),
)
