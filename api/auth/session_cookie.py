"""The cookie that holds a session's token. Pure.

Its name says how a browser guards it: with `__Host-` no other host and no plain HTTP can have set
it; below the path of a proxy `__Secure-` is all there is.
"""

from api.http.headers import Headers, header_values
from storage.access.session_token import SessionToken, parse_session_token

NAME = "activity-session"
# The best guarded first: another host of the same domain may have set the last.
_PREFIXES = ("__Host-", "__Secure-", "")
_COOKIE = b"cookie"
_MAX_BYTES = 16_384


def session_token(headers: Headers) -> SessionToken | None:
    """Return the token of the session in the request's cookies, None if there is none."""
    found: dict[str, SessionToken] = {}
    text = b";".join(header_values(headers, _COOKIE))
    if NAME.encode() not in text or len(text) > _MAX_BYTES:
        return None
    for pair in text.decode("latin-1").split(";"):
        name, _, value = pair.strip().partition("=")
        token = parse_session_token(value) if name.endswith(NAME) else None
        if token is not None:
            found.setdefault(name, token)
    names = (prefix + NAME for prefix in _PREFIXES)
    return next((found[name] for name in names if name in found), None)


def session_cookie(token: SessionToken, seconds: int, root: str, is_secure: bool) -> str:
    """Return the `Set-Cookie` that begins a session of so many seconds."""
    return _cookie(token.text, seconds, root, is_secure)


def ended_cookie(root: str, is_secure: bool) -> str:
    """Return the `Set-Cookie` with which a browser forgets its session."""
    return _cookie("", 0, root, is_secure)


def _cookie(value: str, seconds: int, root: str, is_secure: bool) -> str:
    path = "/" if not root or ";" in root else root  # an attribute ends with a semicolon
    prefix = ("__Host-" if path == "/" else "__Secure-") if is_secure else ""
    parts = [
        f"{prefix}{NAME}={value}",
        f"Path={path}",
        f"Max-Age={seconds}",
        "HttpOnly",
        "SameSite=Strict",
    ]
    return "; ".join(parts + ["Secure"] * is_secure)
