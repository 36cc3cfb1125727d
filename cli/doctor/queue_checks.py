"""Checks of the queue: does it keep what it acknowledges, does it have room, do its drains run?"""

from cli.doctor.check import Check, Finding, fault, ok, unknown, warning
from cli.doctor.errors import NotKnown
from cli.doctor.redis_facts import RedisFacts
from cli.doctor.server_checks import answers, of_each_server, version
from cli.doctor.subject import Subject
from cli.quantities import counted, noun, number, size
from storage.queue.durability import PROMISED
from storage.queue.inspector import failover_loss, of_replicas
from storage.queue.shard_count import shard_count_problem

_LASTS = "and set it in the configuration of the queue, so that it lasts"
_FULL = 0.95
_NEARLY_FULL = 0.8


def _aof(_: Subject, queue: RedisFacts) -> Finding:
    if queue.told("aof_enabled"):
        return ok("the queue has appendonly yes")
    return fault(
        "the queue has appendonly no, so a crash loses every event that is not stored yet",
        _set(queue, "appendonly", "yes"),
    )


def _fsync(_: Subject, queue: RedisFacts) -> Finding:
    names = ("appendfsync", "no-appendfsync-on-rewrite")
    found = {name: queue.setting(name) for name in names}
    wrong = [name for name in names if found[name] != PROMISED[name]]
    if not wrong:
        return ok(f"the queue has appendfsync {found['appendfsync']}, also during a rewrite")
    return fault(
        f"the queue has {', '.join(f'{name} {found[name]}' for name in wrong)}, so a crash of its "
        "machine loses acknowledged events",
        _set(queue, wrong[0], PROMISED[wrong[0]]),
    )


def _eviction(_: Subject, queue: RedisFacts) -> Finding:
    wanted = PROMISED["maxmemory-policy"]
    policy = queue.told("maxmemory_policy")
    if policy == wanted:
        return ok(f"the queue has maxmemory-policy {policy}")
    return fault(
        f"the queue has maxmemory-policy {policy}, so a full queue deletes acknowledged events",
        _set(queue, "maxmemory-policy", wanted),
    )


def _probe(subject: Subject) -> Finding:
    server = subject.queue.server
    text = "; ".join(server.problems)
    if server.durability == "stated":
        return unknown(
            "not tried, because ACTIVITY_QUEUE_DURABILITY=trusted states that the queue is durable"
        )
    if server.durability == "unknown":
        return unknown(text)
    if server.durability == "weak":
        if any(map(_has_other_settings, subject.queue.servers)):
            return unknown("not tried: queue-aof, queue-fsync or queue-eviction says why")
        return fault(text, subject.queue.command("INFO", "persistence"))
    return ok("the queue has written a test value, and fsynced it if it can tell (WAITAOF)")


def _replicas(subject: Subject, queue: RedisFacts) -> Finding:
    awaited = subject.settings.queue_replicas
    found = int(queue.told("connected_slaves"))
    have = f"{queue.name} has {counted(found, 'replica')}"
    if awaited > found:
        which = "no event of its shards" if queue.topology == "cluster" else "no event"
        return fault(
            f"{have}, and ACTIVITY_QUEUE_REPLICAS is {awaited}: {which} is accepted",
            f"connect more replicas ({queue.command('INFO', 'replication')}); or set "
            f"ACTIVITY_QUEUE_REPLICAS={found}, and restart the API",
        )
    if not found:
        return ok(f"{have}, and ACTIVITY_QUEUE_REPLICAS is 0")
    server = subject.queue.server
    if server.shortage:
        return fault(
            server.shortage,
            "set `appendonly yes` and `appendfsync always` on each replica, and see whether they "
            f"follow: {queue.command('INFO', 'replication')}",
        )
    if awaited:
        return ok(f"{have}, and ACTIVITY_QUEUE_REPLICAS is {awaited}")
    if server.durability == "stated":
        return unknown(f"{have}; ACTIVITY_QUEUE_DURABILITY=trusted states that no failover loses")
    return warning(
        failover_loss(of_replicas(found), queue.info),
        "set ACTIVITY_QUEUE_REPLICAS=1, and restart the API; or let no failover be automatic; or, "
        "if yours loses nothing, set ACTIVITY_QUEUE_DURABILITY=trusted",
    )


def _has_other_settings(queue: RedisFacts) -> bool:
    """Return whether another check names the cause: the probe is tried only with the settings."""
    return any(queue.setting(name) != value for name, value in PROMISED.items())


def _writes(_: Subject, queue: RedisFacts) -> Finding:
    found = {
        "write": queue.told("aof_last_write_status"),
        "rewrite": queue.told("aof_last_bgrewrite_status"),
    }
    failed = [name for name, status in found.items() if status != "ok"]
    if not failed:
        return ok("the last write and the last rewrite of the append-only file succeeded")
    return fault(
        f"the last {' and the last '.join(failed)} of the append-only file failed: a full disk, no "
        "memory, or no right on the folder; the log of the queue says which",
        queue.command("BGREWRITEAOF"),
    )


def _memory(subject: Subject, queue: RedisFacts) -> Finding:
    limit = int(queue.told("maxmemory"))
    used = int(queue.told("used_memory")) - int(queue.info.get("mem_not_counted_for_evict", 0))
    if not limit:
        return warning(
            f"the queue has no maxmemory and uses {size(used)}: instead of refusing events, it "
            "grows until the system kills it",
            _set(queue, "maxmemory", "1gb"),
        )
    text = f"the queue uses {size(used)} of {size(limit)} ({used / limit:.0%})"
    remedy = (
        f"find out why events wait ({subject.activity('status')}), or give it more memory: "
        f"{_set(queue, 'maxmemory', str(2 * limit))}"
    )
    if used >= _FULL * limit:
        return fault(f"{text}: it refuses events, or will very soon", remedy)
    if used >= _NEARLY_FULL * limit:
        return warning(f"{text}, and refuses events when it is full", remedy)
    return ok(text)


def _overcommit(subject: Subject, queue: RedisFacts) -> Finding:
    machine = subject.machine
    if not queue.is_here:
        raise NotKnown("the queue runs on another machine, or in a container")
    mode, memory = machine.overcommit(), machine.memory_bytes()
    limit = int(queue.told("maxmemory")) or int(queue.told("used_memory"))
    text = f"vm.overcommit_memory is {mode}"
    if mode == 1:
        return ok(text)
    if mode == 0 and 2 * limit <= memory:
        return ok(
            f"{text}; the machine has {size(memory)}, enough for the queue of {size(limit)} and a "
            "copy of it"
        )
    return warning(
        f"{text}, and the machine has {size(memory)}: a rewrite of the queue's append-only file, "
        f"which copies a process of up to {size(limit)}, may find no memory",
        "sysctl vm.overcommit_memory=1, and the same line in /etc/sysctl.conf",
    )


def _shards(subject: Subject) -> Finding:
    queue, ours = subject.queue, subject.settings.shards
    announced = queue.announced_shards
    if problem := shard_count_problem(announced):
        text, _, remedy = problem.partition("; remedy: ")
        return fault(text, remedy)
    if announced is None:
        raise NotKnown("no API process has started on this queue yet")
    found = int(announced)
    if found == ours:
        return ok(f"the queue and this configuration have {counted(ours, 'shard')}")
    text = f"this configuration has ACTIVITY_SHARDS={ours}, but API processes have used {found}"
    repeated = "idempotency keys of one process are unknown to another"
    if found < ours:
        return fault(
            f"{text}: {repeated}",
            f"set ACTIVITY_SHARDS={found} here, or ACTIVITY_SHARDS={ours} for all and restart them",
        )
    return warning(
        f"{text}, now or before; if it is now, {repeated}",
        f"set ACTIVITY_SHARDS={found} for all; or, if all have {ours} and the backlog is 0: "
        f"{'; '.join(queue.forget_shards())}, then restart the API",
    )


def _paused(subject: Subject) -> Finding:
    shards = subject.queue.shards
    paused = [one for one in shards if one.last_error]
    if not paused:
        return ok(f"none of {counted(len(shards), 'shard')} waits after an error")
    first, count = paused[0], len(paused)
    waiting = counted(sum(one.backlog for one in paused), "event")
    return fault(
        f"{counted(count, 'shard')} of {number(len(shards))} {noun(count, 'waits', 'wait')} with "
        f"{waiting}; shard {first.shard}: {first.last_error}",
        f"remove the cause; drains are tried again every 2 s ({subject.activity('status')})",
    )


def _set(server: RedisFacts, name: str, value: str) -> str:
    return f"{server.command('CONFIG', 'SET', name, value)}, {_LASTS}"


CHECKS = (
    answers("queue"),
    version("queue"),
    Check("queue-aof", "`appendonly`", "", "not `yes`", of_each_server(_aof)),
    Check(
        "queue-fsync",
        "`appendfsync`, `no-appendfsync-on-rewrite`",
        "",
        "not `always`, or not `no`",
        of_each_server(_fsync),
    ),
    Check(
        "queue-eviction", "`maxmemory-policy`", "", "not `noeviction`", of_each_server(_eviction)
    ),
    Check(
        "queue-probe",
        "a test write and its fsync (`WAITAOF`)",
        "",
        "not fsynced",
        _probe,
    ),
    Check(
        "queue-replicas",
        "replicas of the queue, and `ACTIVITY_QUEUE_REPLICAS`",
        "replicas that nobody waits for",
        "fewer replicas confirm a test write",
        of_each_server(_replicas),
    ),
    Check(
        "queue-writes",
        "the last write and rewrite of the append-only file",
        "",
        "one failed",
        of_each_server(_writes),
    ),
    Check(
        "queue-memory",
        "used memory and `maxmemory`",
        f"from {_NEARLY_FULL:.0%}, or no limit",
        f"from {_FULL:.0%}",
        of_each_server(_memory),
    ),
    Check(
        "queue-overcommit",
        "`vm.overcommit_memory` of this machine",
        "not 1, unless it is 0 and a copy of the queue fits into memory",
        "",
        of_each_server(_overcommit),
    ),
    Check(
        "queue-shards",
        "`ACTIVITY_SHARDS` here and in `events:shards`",
        "fewer here",
        "more here",
        _shards,
    ),
    Check("queue-paused", "the last error of each shard", "", "a shard waits after one", _paused),
)
