"""Checks that each of the servers has: it answers, and it is fit and new enough."""

import shlex
from collections.abc import Callable

from cli.doctor.check import Check, Finding, Verdict, fault, ok
from cli.doctor.redis_facts import RedisFacts
from cli.doctor.server import Server
from cli.doctor.subject import Subject
from cli.service_choice import ADVICE
from storage.redis.server_check import MIN_VERSION, RedisServer

ANSWERS = "answers"  # the ending of the name of each check that a server answers

ROLES = ("queue", "control", "database")
_SETTINGS = {"queue": "queue_url", "control": "control_url", "database": "database_url"}


def server_of(subject: Subject, role: str) -> Server:
    """Return the facts of `queue`, `control` or `database`."""
    server: Server = getattr(subject, role)
    return server


def answers(role: str) -> Check:
    """Return the check that a server answers. If it is away, `examine` makes a fault of it."""
    return Check(
        f"{role}-{ANSWERS}",
        "the connection, by this user",
        "",
        "no answer, or refused",
        _answers(role),
    )


def _answers(role: str) -> Callable[[Subject], Finding]:
    def examine(subject: Subject) -> Finding:
        server = server_of(subject, role)
        server.ping()
        return ok(f"{server.name} answers")

    return examine


def remedy_of(subject: Subject, role: str) -> str:
    """Return what to do about a server that does not answer."""
    if subject.run:
        name = "postgres" if role == "database" else role
        log = subject.run.folder / "log" / f"{name}.log"
        return f"tail {shlex.quote(str(log))}; if it says nothing, stop and start `activity up`"
    setting = _SETTINGS[role]
    if setting not in subject.settings.model_fields_set:
        return ADVICE
    return f"start the server, or correct ACTIVITY_{setting.upper()}"


def version(role: str) -> Check:
    """Return the check that a Redis server can be used."""
    major, minor = MIN_VERSION
    return Check(
        f"{role}-version",
        "version and kind of server",
        "",
        f"older than Redis {major}.{minor}, a replica, a Sentinel, a cluster "
        "(for the queue: that the address does not name)",
        _version(role),
    )


def of_each_server(
    examine: Callable[[Subject, RedisFacts], Finding],
) -> Callable[[Subject], Finding]:
    """Return a check of each server that takes events: it gives the worst of their findings."""
    order = list(Verdict)

    def worst(subject: Subject) -> Finding:
        findings = [examine(subject, each) for each in subject.queue.servers]
        return min(findings, key=lambda one: order.index(one.verdict))

    return worst


def _version(role: str) -> Callable[[Subject], Finding]:
    def examine(_: Subject, server: RedisFacts) -> Finding:
        if reason := RedisServer.of(server.info).unsuitability(server.topology == "cluster"):
            return fault(
                f"{server.name} {reason}", f"name another server in ACTIVITY_{role.upper()}_URL"
            )
        is_valkey = "valkey_version" in server.info
        name = "Valkey" if is_valkey else "Redis"
        number = server.told("valkey_version" if is_valkey else "redis_version")
        return ok(f"{server.name} is {name} {number}")

    return of_each_server(examine) if role == "queue" else lambda it: examine(it, it.control)
