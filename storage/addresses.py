"""Checks the addresses of the servers before they are used. Nothing is connected, no text that is
said here holds an address: there may be a password in it."""

from urllib.parse import urlsplit

import psycopg2
import psycopg2.extensions
import redis
import sqlalchemy as sa

REDIS_FORMS = (
    "redis://[USER:PASSWORD@]HOST:PORT/DB, rediss:// with TLS, "
    "or unix://[USER:PASSWORD@]/PATH?db=DB"
)
DATABASE_FORM = "postgresql+psycopg2://[USER:PASSWORD@]HOST:PORT/DATABASE"
_REDIS_SCHEMES = ("redis", "rediss", "unix")
_DATABASE_DRIVERS = ("postgresql", "postgresql+psycopg2")
_ESCAPES = "in a password write %40 for @, %2F for /, %3A for : and %25 for %"


def redis_address(url: str) -> str:
    """The address, where redis-py can use it. Raises ValueError with the reason."""
    try:
        parts = urlsplit(url)
        scheme, _ = parts.scheme, parts.port
    except ValueError:
        raise _wrong("is no address", REDIS_FORMS) from None
    if "sentinel" in scheme:
        raise _wrong("names Sentinels, which the service can't ask; name the primary", REDIS_FORMS)
    if "cluster" in scheme:
        raise _wrong("names a cluster, which the service can't use yet", REDIS_FORMS)
    if scheme not in _REDIS_SCHEMES:
        raise _wrong(f"has {_shown(scheme, url)} in front", REDIS_FORMS)
    if scheme == "unix" and not parts.path.strip("/"):
        raise _wrong("has no path", REDIS_FORMS)
    if scheme != "unix" and not (parts.hostname and _is_database(parts.path)):
        raise _wrong("has no host, or a database that is no number", REDIS_FORMS)
    try:
        redis.ConnectionPool.from_url(url).make_connection()
    except (ValueError, TypeError, redis.RedisError):
        raise _wrong("has an option that is unknown or has a wrong value", REDIS_FORMS) from None
    return url


def database_address(url: str) -> str:
    """The address, where psycopg2 can use it. Raises ValueError with the reason."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise _wrong("is no address", DATABASE_FORM) from None
    if parsed.drivername not in _DATABASE_DRIVERS:
        raise _wrong(f"has {_shown(parsed.drivername, url)} in front", DATABASE_FORM)
    if parsed.port is not None and not 0 < parsed.port < 65536:
        raise _wrong("has a port that is not from 1 to 65535", DATABASE_FORM)
    try:
        dialect = parsed.get_dialect()()
        psycopg2.extensions.make_dsn(**dialect.create_connect_args(parsed)[1])
    except (sa.exc.ArgumentError, psycopg2.Error, ValueError, TypeError):
        raise _wrong("has an option that PostgreSQL does not know", DATABASE_FORM) from None
    return url


def _is_database(path: str) -> bool:
    name = path.removeprefix("/")
    return name == "" or (name.isascii() and name.isdigit())


def _shown(scheme: str, url: str) -> str:
    """The scheme, where it is one: what is in front of a colon may be a user or a password."""
    return f"{scheme}://" if url.startswith(f"{scheme}://") and scheme else "no scheme"


def _wrong(reason: str, form: str) -> ValueError:
    return ValueError(f"the address {reason}. Write {form}; {_ESCAPES}")
