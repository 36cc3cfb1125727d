"""Checks of API keys."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from api.auth.exposure import PLAIN_HTTP_REMEDY
from api.http.addresses import is_loopback
from cli.doctor.check import Check, Finding, fault, ok, unknown, warning
from cli.doctor.errors import NotKnown
from cli.doctor.subject import Subject
from cli.quantities import counted, duration, noun
from storage.access.api_key import ApiKey
from storage.access.key_records import KeyRecords

_DAYS = 7  # as the alert ActivityKeyExpires, which names a key that has expired for a day too
_SHOWN = 5
_EXPIRED = timedelta(days=1)


def _access(subject: Subject) -> Finding:
    auth, host = subject.api.auth, subject.host
    if auth == "open":
        return (fault if host and not is_loopback(host) else warning)(
            f"ACTIVITY_AUTH=open lets in everyone without a key; {_where(host)}",
            f"set ACTIVITY_AUTH=auto; before: {_create(subject)}",
        )
    now = datetime.fromtimestamp(subject.machine.clock(), UTC)
    records, missing = _records(subject)
    valid = sum(key.is_valid_at(now) for key in records.keys.values())
    if valid:
        return ok(f"requests need one of {counted(valid, 'valid API key')}")
    if missing:
        return unknown("; ".join(missing))
    if auth == "required" or records.keys or records.unreadable:
        text = "requests need an API key, and none is valid: all are refused"
        return warning(text, _create(subject))
    return _without_keys(subject, host)


def _without_keys(subject: Subject, host: str | None) -> Finding:
    if host is None:
        return unknown(f"there is no API key, and {_where(host)}", _create(subject))
    if is_loopback(host):
        return ok(f"{_where(host)}, which lets in this machine until the first API key exists")
    return fault(
        f"{_where(host)}, and there is no API key: either everyone is let in (--insecure), or "
        "nobody",
        _create(subject),
    )


def _where(host: str | None) -> str:
    return f"the API listens on {host}" if host else "where the API listens is not known here"


def _create(subject: Subject) -> str:
    return subject.activity("keys", "create", "NAME", "--scope", "write")


def _privacy(subject: Subject) -> Finding:
    host = subject.host
    if subject.api.auth == "open":
        return ok("requests need no API key (ACTIVITY_AUTH=open)")
    if host is None:
        return unknown(_where(host))
    if is_loopback(host) or subject.https:
        return ok(f"{_where(host)}{' with HTTPS' if subject.https else ''}")
    text = f"{_where(host)} with plain HTTP: whoever can read the traffic can read API keys in it"
    return warning(text, PLAIN_HTTP_REMEDY)


def _expiry(subject: Subject) -> Finding:
    now = datetime.fromtimestamp(subject.machine.clock(), UTC)
    records, missing = _records(subject)
    if records.unreadable:
        named = sorted(records.unreadable)[:_SHOWN]
        return fault(
            f"{counted(len(records.unreadable), 'record')} of API keys can't be read, and nobody "
            f"may use these keys: {', '.join(named)}",
            "update this installation, or remove what somebody else wrote: "
            + subject.queue.command("HDEL", "keys", *named),
        )
    ending = sorted(_ending(records.keys.values(), now), key=lambda key: (key.expires_at, key.id))
    if ending:
        return warning(
            f"{counted(len(ending), 'API key')} {noun(len(ending), 'expires', 'expire')} soon or "
            f"did lately; the first: {_when(ending[0], now)}",
            _replace(subject, ending[0], now),
        )
    if missing:
        return unknown("; ".join(missing))
    valid = sum(key.is_valid_at(now) for key in records.keys.values())
    return ok(f"{counted(valid, 'valid API key')}, none of which expires within {_DAYS} days")


def _records(subject: Subject) -> tuple[KeyRecords, list[str]]:
    """Return what both homes have together, and why one of them could not be read."""
    records, missing = KeyRecords(), []
    for home in (subject.queue, subject.database):
        try:
            records = records.merge(home.keys)
        except NotKnown as error:
            missing.append(str(error))
    return records, missing


def _ending(keys: Iterable[ApiKey], now: datetime) -> list[ApiKey]:
    """Return the keys that end soon, or have just ended, and that nobody has revoked or replaced.

    A key that has expired is replaced once a valid key has its name.
    """
    known = list(keys)
    replaced = {key.name for key in known if key.is_valid_at(now)}
    until = now + timedelta(days=_DAYS)
    return [
        key
        for key in known
        if key.expires_at
        and not key.revoked_at
        and now - _EXPIRED < key.expires_at < until
        and (key.is_valid_at(now) or key.name not in replaced)
    ]


def _replace(subject: Subject, key: ApiKey, now: datetime) -> str:
    """Return how to replace a key. One that has expired can be neither rotated nor revoked."""
    if key.is_valid_at(now):
        return (
            f"{subject.activity('keys', 'rotate', key.id)}; of a key that nobody needs: "
            f"{subject.activity('keys', 'revoke', key.id)}"
        )
    return (
        f"if somebody needs it: {subject.activity(*_creation(key))}, with --expires if it is to "
        "end again; otherwise do nothing: this warning ends a day after the key"
    )


def _creation(key: ApiKey) -> list[str]:
    """Return the words that make a key with the same name and grants."""
    rate, daily = key.events_per_second, key.events_per_day
    each = (
        *(("--scope", scope.value) for scope in sorted(key.scopes)),
        *(("--component", pattern) for pattern in key.components),
        *(("--environment", pattern) for pattern in key.environments),
        *([("--rate", f"{rate}/s")] if rate else []),
        *([("--daily", str(daily))] if daily else []),
        *(("--origin", origin) for origin in key.origins),
    )
    return ["keys", "create", key.name, *(word for pair in each for word in pair)]


def _when(key: ApiKey, now: datetime) -> str:
    """Return when a key ends or has ended."""
    assert key.expires_at is not None
    seconds = (key.expires_at - now).total_seconds()
    when = f"ends in {duration(seconds)}" if seconds > 0 else f"has ended {duration(-seconds)} ago"
    return f"{key.id} {when}"


CHECKS = (
    Check(
        "keys-needed",
        "`ACTIVITY_AUTH`, `ACTIVITY_HOST` and API keys",
        "`open` on a loopback address; keys are needed and none is valid",
        "`open`, or no key, on any other address",
        _access,
    ),
    Check(
        "keys-in-clear",
        "`ACTIVITY_HOST`, `ACTIVITY_TLS_CERT` and `ACTIVITY_AUTH`",
        "plain HTTP on an address of other machines, unless `ACTIVITY_AUTH=open`",
        "never",
        _privacy,
    ),
    Check(
        "keys-expiry",
        "API keys on the queue and in PostgreSQL",
        f"one that is not revoked expires within {_DAYS} days, or has expired for less than a day",
        "a record that can't be read",
        _expiry,
    ),
)
