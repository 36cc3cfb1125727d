"""What an address of a server tells: is it on this machine, and how does a shell reach it? Pure.

No command line contains a password.
"""

import os
import shlex
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote, urlsplit

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_local_redis(url: str) -> bool:
    """Return whether the address is a socket of this machine or loopback."""
    parts = urlsplit(url)
    return parts.scheme == "unix" or parts.hostname in _LOOPBACK


def is_local_database(url: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the address is a socket of this machine (libpq's default), or loopback."""
    hosts = _host(url) or environment.get("PGHOST", "") or environment.get("PGHOSTADDR", "")
    return all(not host or host[0] == "/" or host in _LOOPBACK for host in hosts.split(","))


def names_several_hosts(url: str) -> bool:
    """Return whether the address of the database has a list of hosts."""
    return "," in _host(url)


def redis_command(url: str, *words: str, follow: bool = False) -> str:
    """Return the command line that sends `words` to this server.

    `follow`: or to the server of its cluster that has the key.
    """
    parts = urlsplit(url)
    start = ["valkey-cli"]
    if parts.scheme == "unix":
        start += ["-s", unquote(parts.path)]
    else:
        start += ["-h", parts.hostname or "", "-p", str(parts.port or 6379)]
    if follow:
        start.append("-c")
    if parts.scheme == "rediss":
        start.append("--tls")
        for authority in parse_qs(parts.query).get("ssl_ca_certs", []):
            start += ["--cacert", authority]
    user = parts.username or next(iter(parse_qs(parts.query).get("username", [])), "")
    if user:
        start += ["--user", unquote(user)]
    if user or parts.password:
        start.append("--askpass")
    return shlex.join([*start, *words])


def psql_command(url: str, statement: str) -> str:
    """Return the command line that runs a statement in this database."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    database = unquote(parts.path.removeprefix("/"))
    target = next(iter(query.get("target_session_attrs", [])), "")
    if names_several_hosts(url):  # psql has no option for it; a standby can't run every statement
        name = database.replace("\\", r"\\").replace("'", r"\'")
        database = f"dbname='{name}' target_session_attrs={target}"
    values = {
        "-h": _host(url),
        "-p": str(parts.port or next(iter(query.get("port", [])), "")),
        "-U": unquote(parts.username or "") or next(iter(query.get("user", [])), ""),
        "-d": database,
    }
    options = [word for name, value in values.items() if value for word in (name, value)]
    return shlex.join(["psql", *options, "-c", statement])


def _host(url: str) -> str:
    parts = urlsplit(url)
    return next(iter(parse_qs(parts.query).get("host", [])), "") or parts.hostname or ""
