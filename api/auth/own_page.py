"""The one rule against cross-site requests: a session counts only for the service's own page. Pure.

A browser sends a cookie whichever page makes it ask. `SameSite=Strict` stops other sites, but not
pages of the same site, such as another name below the same domain, and no browser from before it.

A change needs the header `Activity-Explorer: 1`. A page of another origin can send it only if a
preflight allows it, and the service allows it to none; a form can't send it at all. That holds in
every browser. Newer ones also say which page asks, and must say the right one.
"""

from urllib.parse import urlsplit

from starlette.types import Scope

from api.auth import refusals
from api.auth.cors import ORIGIN
from api.http.headers import Headers, header_values

HEADER = b"activity-explorer"
_SITE = b"sec-fetch-site"
_SAME_ORIGIN = [b"same-origin"]
_READS = ("GET", "HEAD", "OPTIONS")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def require_own_page(headers: Headers) -> None:
    """Raise Problem 403 for a change that another page may have made the browser send."""
    site = header_values(headers, _SITE)
    is_own = site == _SAME_ORIGIN if site else _has_own_origin(headers)
    if not is_own or header_values(headers, HEADER) != [b"1"]:
        raise refusals.foreign_page()


def admits_session(scope: Scope) -> bool:
    """Return whether this request may use its session. Raises Problem 403 for a foreign change."""
    headers: Headers = scope["headers"]
    if scope["method"] not in _READS:
        require_own_page(headers)
        return True
    # `none`: the user has typed the address. A page of the same site could count our answers' time.
    return header_values(headers, _SITE) in ([], _SAME_ORIGIN, [b"none"])


def has_secure_origin(scope: Scope) -> bool:
    """Return whether the browser sees the service by HTTPS, also if a proxy ends that."""
    return scope["scheme"] == "https" or any(
        value.startswith(b"https://") for value in header_values(scope["headers"], ORIGIN)
    )


def _has_own_origin(headers: Headers) -> bool:
    """Return whether the page's origin, if it is told, is the host that is asked.

    The scheme is not compared: behind a proxy the service does not know it.
    """
    origins, hosts = header_values(headers, ORIGIN), header_values(headers, b"host")
    if not origins:
        return True
    if len(origins) != 1 or len(hosts) != 1:
        return False
    try:
        origin = urlsplit(origins[0].decode("ascii"))
    except ValueError:  # not ASCII, or brackets that don't match
        return False
    port = _DEFAULT_PORTS.get(origin.scheme)
    if port is None:
        return False
    host = hosts[0].decode("latin-1").lower().removesuffix(port)
    return host != "" and origin.netloc.lower().removesuffix(port) == host
