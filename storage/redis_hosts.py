"""Addresses of a queue of several servers: a cluster, or a primary that Sentinels watch. Pure.

`redis+cluster://HOST:PORT,HOST:PORT` and `redis+sentinel://HOST:PORT,HOST:PORT/SERVICE`, and
`rediss+` for TLS. Login and options are those of redis-py's `redis://`, the same for each server.
"""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode

Kind = Literal["cluster", "sentinel"]
KINDS: tuple[Kind, ...] = ("cluster", "sentinel")

CLUSTER_FORM = "redis+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT"
SENTINEL_FORM = "redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/SERVICE"

_DEFAULT_PORTS: Mapping[str, int] = {"cluster": 6379, "sentinel": 26379}
_MAX_PORT = 65535
_SCHEME = rf"(rediss?)\+({'|'.join(KINDS)})://"
_is_list = re.compile(_SCHEME).match
_parts = re.compile(_SCHEME + r"(?:([^@/?#]*)@)?([^@/?#]*)(?:/([^?#]*))?(?:\?([^#]*))?").fullmatch
_host_and_port = re.compile(r"(?:\[([^\]]+)\]|([^\[\]:]+))(?::([0-9]{1,5}))?").fullmatch


class RedisHosts(NamedTuple):
    """The servers of an address: nodes of a cluster, or Sentinels.

    `service`: what the Sentinels call the primary; empty for a cluster. `sentinel_login`: options
    of redis-py for the Sentinels. `start`, `end`: the rest of an address of one server.
    """

    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    service: str
    sentinel_login: Mapping[str, str]
    start: str
    end: str

    def of_server(self, host: str, port: int) -> str:
        """Return the address of one server, in redis-py's own form."""
        return f"{self.start}{_written(host)}:{port}{self.end}"


def redis_hosts(url: str) -> RedisHosts | None:
    """Return the servers of such an address; None for an address of one server.

    Raises ValueError with the reason, without the address.
    """
    if not _is_list(url):
        return None
    found = _parts(url)
    if found is None:
        raise ValueError("is not an address")
    scheme, kind, login, listed, path, options = found.groups()
    hosts = tuple(_host(each, _DEFAULT_PORTS[kind]) for each in listed.split(","))
    if len(set(hosts)) < len(hosts):
        raise ValueError("names one of its hosts twice")
    service, database = _service(path or "") if kind == "sentinel" else ("", _no_path(path or ""))
    query = dict(parse_qsl(options or "", keep_blank_values=True))
    sentinel_login = {
        name: query.pop(f"sentinel_{name}")
        for name in ("username", "password")
        if f"sentinel_{name}" in query
    }
    start = f"{scheme}://{login}@" if login is not None else f"{scheme}://"
    end = f"/{database}?{urlencode(query)}" if query else f"/{database}"
    return RedisHosts(kind, hosts, service, sentinel_login, start, end)  # type: ignore[arg-type]


def names_cluster(url: str) -> bool:
    """Return whether a valid address names a cluster."""
    several = redis_hosts(url)
    return several is not None and several.kind == "cluster"


def _host(text: str, default_port: int) -> tuple[str, int]:
    if not text:
        raise ValueError("has an empty place in its list of hosts")
    found = _host_and_port(text)
    if found is None:
        raise ValueError("has a host that is not HOST:PORT or [IPV6]:PORT")
    port = int(found[3] or default_port)
    if not 0 < port <= _MAX_PORT:
        raise ValueError("has a port that is not from 1 to 65535")
    return found[1] or found[2], port


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _service(path: str) -> tuple[str, str]:
    service, _, database = path.partition("/")
    if not service or service.isdigit():
        raise ValueError("has no name of a service behind its hosts")
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError("has a database that is not a number")
    return unquote(service), database or "0"


def _no_path(path: str) -> str:
    if path not in ("", "0"):
        raise ValueError("has a database, and a cluster has none but 0")
    return "0"
