"""Several hosts in the address of the database: libpq's forms and SQLAlchemy's, brought into one.

That form is `?host=H1,H2&port=P1,P2&target_session_attrs=read-write`. The modules of SQLAlchemy are
imported where they are needed, as in `storage.addresses`.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    import sqlalchemy as sa

WRITABLE = ("read-write", "primary")
"""What `target_session_attrs` may be beside several hosts: a standby is behind."""

ANY = ("any",)
"""What it may be in a list of standbys: each of them is asked by itself."""

_TARGET = "target_session_attrs"
_MAX_PORT = 65535
# As SQLAlchemy reads them: a password may have `/` and `?`, and ends at the first `@`.
_before_hosts = re.compile(r"[\w+]+://(?:[^:/]*(?::[^@]*)?@)?").match
_hosts_of = re.compile(r"[^/?]*").match
_host_and_port = re.compile(r"(?:\[([^\]]*)\]|([^\[\]:]*))(?::([^:]*))?").fullmatch


def in_query(url: str) -> str:
    """Move a list of hosts from its place before the database's name to `?host=` and `?port=`.

    SQLAlchemy can't read it there. Raises ValueError with the reason, without the address.
    """
    start = _before_hosts(url)
    found = start and _hosts_of(url, start.end())
    if not start or not found or "," not in found.group():
        return url
    import sqlalchemy as sa

    hosts, ports = _parted(found.group().split(","))
    rest = sa.make_url(url[: start.end()] + url[found.end() :])
    if rest.query.keys() & {"host", "port"}:
        raise ValueError("has hosts in two places")
    options = {"host": ",".join(map(unquote, hosts)), "port": ",".join(ports)}
    return rest.update_query_dict(options).render_as_string(hide_password=False)


def in_one_form(address: "sa.URL", targets: Sequence[str] = WRITABLE) -> "sa.URL":
    """Return an address with several hosts in the one form; any other as it is.

    `targets`: what `target_session_attrs` may be; the first one is the default.

    Raises ValueError with the reason, without the address.
    """
    hosts, ports = _named(address)
    if "," in _text(address, "hostaddr") or (len(hosts) > 1 and "hostaddr" in address.query):
        raise ValueError("has hostaddr in a list of hosts: write these addresses as hosts")
    if len(hosts) < 2:
        return address
    if address.host or address.port:
        raise ValueError("has hosts in two places")
    if not all(hosts):
        raise ValueError("has an empty place in its list of hosts")
    if len(ports) == 1:  # libpq: for all of them
        ports = ports * len(hosts)
    if len(ports) != len(hosts):
        raise ValueError(
            f"has {len(hosts)} hosts and {len(ports)} ports: give one for each, or one for all"
        )
    if not all(port == "" or _is_port(port) for port in ports):
        raise ValueError("has a port that is not from 1 to 65535")
    target = _text(address, _TARGET) or targets[0]
    if target not in targets:
        raise ValueError(_wrong_target(targets))
    options = {"host": ",".join(hosts), "port": ",".join(ports), _TARGET: target}
    return address.update_query_dict(options)


def each_host(url: str) -> list[tuple[str, str]]:
    """Return the name and the address of each host of an address in the one form."""
    import sqlalchemy as sa

    address = sa.make_url(url)
    hosts, ports = _named(address)
    if len(hosts) < 2:
        host, port = address.host or hosts[0], str(address.port or ports[0])
        return [(f"{host}:{port}".strip(":"), url)]
    rest = address.difference_update_query(["port"])
    return [
        (
            f"{host}:{port}".removesuffix(":"),
            rest.update_query_dict(
                {"host": host, **({"port": port} if port else {})}
            ).render_as_string(hide_password=False),
        )
        for host, port in zip(hosts, ports, strict=True)
    ]


def _wrong_target(targets: Sequence[str]) -> str:
    if targets == ANY:
        return f"has several standbys, and {_TARGET} is not any: each of them is asked by itself"
    return (
        f"has several hosts, and {_TARGET} is neither {' nor '.join(targets)}: the service "
        "reads and writes the primary only"
    )


def _named(address: "sa.URL") -> tuple[list[str], list[str]]:
    """Return the hosts and the ports of an address that SQLAlchemy can read."""
    given = address.query.get("host", "")
    if not isinstance(given, str):  # SQLAlchemy's own form: ?host=H1:P1&host=H2:P2
        if "port" in address.query:
            raise ValueError("has ports in two places")
        return _parted(given)
    return given.split(","), _text(address, "port").split(",")


def _parted(named: "list[str] | tuple[str, ...]") -> tuple[list[str], list[str]]:
    """Part each `HOST:PORT`, `[IPV6]:PORT` or host alone."""
    parts = [_host_and_port(each) for each in named]
    if not all(parts):
        raise ValueError("has a host that is not HOST:PORT or [IPV6]:PORT")
    hosts = [part[1] or part[2] or "" for part in parts if part]
    return hosts, [part[3] or "" for part in parts if part]


def _text(address: "sa.URL", option: str) -> str:
    given = address.query.get(option, "")
    return given if isinstance(given, str) else ",".join(given)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) <= _MAX_PORT
