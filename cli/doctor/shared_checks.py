"""Checks that compare the servers with each other and with this configuration."""

from collections.abc import Iterator

from cli.doctor.check import Check, Finding, fault, ok, unknown, warning
from cli.doctor.clocks import HERE, Reading, greatest_skew, read_clock
from cli.doctor.errors import NotKnown
from cli.doctor.redis_facts import RedisFacts
from cli.doctor.server_checks import ROLES, of_each_server, server_of
from cli.doctor.subject import Subject
from cli.quantities import counted, noun, number
from storage.balance import is_balanced
from storage.postgres.engine import BESIDE_POOL
from storage.queue.producer import MAX_AGE_MS

SKEW_SECONDS = 1.0
_MAX_SKEW_SECONDS = MAX_AGE_MS / 1000 / 2
_MAINTENANCE = 6  # connections of the process that supervises workers, while a person is erased
_FEW = 5  # free connections; a person needs one, too


def _apart(subject: Subject, queue: RedisFacts) -> Finding:
    if queue.told("run_id") != subject.control.told("run_id"):
        return ok("the queue and control are different servers")
    return fault(
        "the queue and control are one server: when it is full of events, no drain can be started, "
        "and cached pages take memory from events",
        "start a second server, and name it in ACTIVITY_CONTROL_URL",
    )


def _clocks(subject: Subject) -> Finding:
    readings, missing = {"this machine": HERE}, []
    for name, reading in _readings(subject):
        if isinstance(reading, NotKnown):
            missing.append(str(reading))
        else:
            readings[name] = reading
    if len(readings) == 1:
        return unknown("; ".join(missing))
    found = greatest_skew(readings)
    first, second = found.names
    if found.least > SKEW_SECONDS:
        text = f"the clocks of {first} and {second} differ by {found.least:.1f} s or more"
        return (fault if found.least > _MAX_SKEW_SECONDS else warning)(
            f"{text}; events are refused from {MAX_AGE_MS / 1000:g} s on",
            "let a time service set the clocks of both: timedatectl set-ntp true",
        )
    if missing:
        return unknown("; ".join(missing))
    if found.most > SKEW_SECONDS:
        return unknown(
            f"the clocks of {first} and {second} differ by at most {found.most:.1f} s; their "
            "answers took too long to tell it better"
        )
    return ok(f"all clocks agree within {max(found.most, 0.001):.3f} s")


def _readings(subject: Subject) -> Iterator[tuple[str, Reading | NotKnown]]:
    for role in ROLES:
        server = server_of(subject, role)
        try:
            yield server.name, read_clock(server.time, subject.machine.clock)
        except NotKnown as error:
            yield server.name, error


def _connections(subject: Subject) -> Finding:
    database, pool = subject.database, subject.settings.database_pool
    reserved = ("superuser_reserved_connections", "reserved_connections")
    limit = int(database.setting("max_connections"))
    limit -= sum(int(database.setting(name)) for name in reserved)
    found = database.connections
    apis, workers = _processes(subject)
    needed = (pool + BESIDE_POOL) * apis + workers + _MAINTENANCE
    others, free = found.used - found.ours, limit - found.used
    api_text = counted(apis, "API process", "API processes")
    text = (
        f"{api_text} with ACTIVITY_DATABASE_POOL={pool}, {counted(workers, 'worker')} and "
        f"maintenance need up to {number(needed)} connections; PostgreSQL has {number(limit)}, of "
        f"which other programs use {number(others)}"
    )
    if needed > limit:
        return fault(text, f"set ACTIVITY_DATABASE_POOL lower, or: {_more(subject, needed + _FEW)}")
    if needed + others > limit or free < _FEW:
        return warning(
            f"{text}, and {number(max(free, 0))} {noun(free, 'is', 'are')} free now",
            _more(subject, needed + others + _FEW),
        )
    if subject.run is None:
        more = pool + BESIDE_POOL
        return ok(f"{text}; each further API process may use {more} more")
    return ok(text)


def _more(subject: Subject, usable: int) -> str:
    statement = f"ALTER SYSTEM SET max_connections = {max(200, 2 * usable)}"
    return f"{subject.database.command(statement)}, then restart PostgreSQL"


def _processes(subject: Subject) -> tuple[int, int]:
    """Return the numbers of API processes and workers; at least one API process."""
    if subject.run:
        return max(subject.run.count("api"), 1), subject.run.count("worker")
    return 1, subject.control.registry.live


def _balance(subject: Subject) -> Finding:
    queue = subject.queue
    before = queue.shards
    ledger = subject.database.read_ledger()
    after = queue.read_shards()
    accepted = sum(shard.accepted for shard in after)
    stored = sum(account.total for account in ledger.accounts.values())
    text = (
        f"the queue has accepted {counted(accepted, 'event')}; PostgreSQL accounts for "
        f"{number(stored)}, and {number(sum(shard.backlog for shard in after))} wait"
    )
    if is_balanced(before, after, ledger):
        return ok(text)
    lost = sum(abs(shard.unaccounted) for shard in after)
    return fault(
        f"not every event is accounted for: {text}; the queue itself misses {number(lost)}",
        f"find out whether a server was restored or emptied: {subject.activity('status', '--json')}"
        " shows the counts of each shard",
    )


CHECKS = (
    Check(
        "servers-apart",
        "`run_id` of the queue and of control",
        "",
        "the same",
        of_each_server(_apart),
    ),
    Check(
        "clocks",
        "the clocks of this machine and of the three servers",
        f"two differ by over {SKEW_SECONDS:g} s",
        f"by over {_MAX_SKEW_SECONDS:g} s",
        _clocks,
    ),
    Check(
        "database-connections",
        "`max_connections` and the pools of API processes and workers",
        f"not enough beside other programs, or under {_FEW} free",
        "not enough even alone",
        _connections,
    ),
    Check("balance", "the counts of the queue and of PostgreSQL", "", "not balanced", _balance),
)
