"""Check the addresses of the servers without connecting.

No message contains an address, because there may be a password in it. The drivers are imported
where they are needed: `activity send` knows these settings, and must not wait for the drivers.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from storage import host_list
from storage.redis_hosts import CLUSTER_FORM, KINDS, SENTINEL_FORM, redis_hosts

REDIS_FORMS = (
    "redis://[USER:PASSWORD@]HOST:PORT/DB, rediss:// with TLS, "
    "or unix://[USER:PASSWORD@]/PATH?db=DB"
)
QUEUE_FORMS = f"{REDIS_FORMS}; for several servers {CLUSTER_FORM} or {SENTINEL_FORM}"
DATABASE_FORM = "postgresql+psycopg2://[USER:PASSWORD@]HOST:PORT/DATABASE"
STANDBYS_FORM = "postgresql+psycopg2://[USER:PASSWORD@]HOST:PORT,HOST:PORT/DATABASE"
HOSTS_FORM = f"{STANDBYS_FORM}?target_session_attrs=read-write"
_REDIS_SCHEMES = ("redis", "rediss", "unix")
_SEVERAL_SCHEMES = tuple(f"{tls}+{kind}" for tls in ("redis", "rediss") for kind in KINDS)
_DATABASE_DRIVERS = ("postgresql", "postgresql+psycopg2")
_ESCAPES = "in a password write %40 for @, %2F for /, %3A for : and %25 for %"

T = TypeVar("T")


def queue_address(url: str) -> str:
    """Return the address if redis-py can use it: of one server, a cluster, or Sentinels.

    Raises ValueError with the reason.
    """
    try:
        several = redis_hosts(url)
    except ValueError as error:
        raise _wrong(str(error), QUEUE_FORMS) from None
    if several is None:
        return _one_redis(url, QUEUE_FORMS)
    _one_redis(several.of_server(*several.hosts[0]), QUEUE_FORMS)
    return url


def redis_address(url: str) -> str:
    """Return the address of one server if redis-py can use it. Raises ValueError with the reason.

    Control is always one server: docs/decisions/0025-a-clustered-queue.md.
    """
    if url.partition("://")[0] in _SEVERAL_SCHEMES:
        raise _wrong("names several servers, and control is one: name it", REDIS_FORMS)
    return _one_redis(url, REDIS_FORMS)


def _one_redis(url: str, forms: str) -> str:
    try:
        parts = urlsplit(url)
        scheme, _ = parts.scheme, parts.port
    except ValueError:
        raise _wrong("is not an address", forms) from None
    if scheme not in _REDIS_SCHEMES:
        raise _wrong(f"begins with {_printable_scheme(scheme, url)}", forms)
    if scheme == "unix" and not parts.path.strip("/"):
        raise _wrong("has no path", forms)
    if scheme != "unix" and not (parts.hostname and _is_database(parts.path)):
        raise _wrong("has no host, or a database that is not a number", forms)
    import redis

    try:
        redis.ConnectionPool.from_url(url).make_connection()
    except (ValueError, TypeError, redis.RedisError):
        raise _wrong("has an unknown option, or an option with an invalid value", forms) from None
    return url


def read_address(url: str) -> str:
    """Return the address of standbys like `database_address`; blank stays blank: there is none."""
    return database_address(url, host_list.ANY) if url.strip() else ""


def database_address(url: str, targets: Sequence[str] = host_list.WRITABLE) -> str:
    """Return the address if psycopg2 can use it. Raises ValueError with the reason.

    One with several hosts is returned in the form of `storage.host_list`, with one of `targets`.
    """
    import psycopg2.extensions
    import sqlalchemy as sa

    form = HOSTS_FORM if targets == host_list.WRITABLE else STANDBYS_FORM
    url = _with_list(host_list.in_query, url, form)
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise _wrong("is not an address", DATABASE_FORM) from None
    if parsed.drivername not in _DATABASE_DRIVERS:
        raise _wrong(f"begins with {_printable_scheme(parsed.drivername, url)}", DATABASE_FORM)
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise _wrong("has a port that is not from 1 to 65535", DATABASE_FORM)
    listed = _with_list(lambda address: host_list.in_one_form(address, targets), parsed, form)
    try:
        dialect = parsed.get_dialect()()
        psycopg2.extensions.make_dsn(**dialect.create_connect_args(listed)[1])
    except (sa.exc.ArgumentError, psycopg2.Error, ValueError, TypeError):
        raise _wrong("has an option that PostgreSQL does not support", DATABASE_FORM) from None
    return url if listed is parsed else listed.render_as_string(hide_password=False)


def with_password(url: str, password: str) -> str:
    """Put the password into a valid address of the database that has none."""
    import sqlalchemy as sa

    parsed = sa.make_url(url)
    if not password or parsed.password or "password" in parsed.query:
        return url
    if parsed.username is None:  # without a user an address has no place for a password
        complete = parsed.update_query_dict({"password": password})
    else:
        complete = parsed.set(password=password)
    return complete.render_as_string(hide_password=False)


def secrets_of(url: str) -> Iterator[str]:
    """Yield the passwords of a valid address, as they are and as the address writes them."""
    parts = urlsplit(url)
    if parts.password:
        yield parts.password
        yield unquote(parts.password)
    if parts.scheme in _DATABASE_DRIVERS:  # SQLAlchemy also takes a password with `/`, `?` or `#`
        import sqlalchemy as sa

        yield str(sa.make_url(url).password or "")
    for option in ("password", "sentinel_password"):
        yield from parse_qs(parts.query).get(option, [])


def _with_list(bring: Callable[[T], T], address: T, form: str) -> T:
    try:
        return bring(address)
    except ValueError as error:
        raise _wrong(str(error), form) from None


def _is_database(path: str) -> bool:
    name = path.removeprefix("/")
    return name == "" or (name.isascii() and name.isdigit())


def _printable_scheme(scheme: str, url: str) -> str:
    """Return the scheme if it is one: text before a colon may also be a user or a password."""
    return f"{scheme}://" if url.startswith(f"{scheme}://") and scheme else "no scheme"


def _wrong(reason: str, form: str) -> ValueError:
    return ValueError(f"the address {reason}. Write {form}; {_ESCAPES}")
