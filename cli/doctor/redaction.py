"""Keep passwords and tokens out of what the doctor prints. Pure."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs, quote, unquote, urlsplit

REPLACEMENT = "***"

_LOGIN = re.compile(r"(://[^\s/@:]*:)[^\s@/]+@")
_TOKEN = re.compile(r"\bact_[0-9A-Za-z]{8}_[0-9A-Za-z]{8,}")
_MIN_LENGTH = 4  # replacing every `a` would hide nothing but the sentence


class Redactor:
    """Replaces known secrets, logins in addresses and API tokens."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in (secret, quote(secret, safe=""))}
        known = sorted((form for form in forms if len(form) >= _MIN_LENGTH), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        if self._known:
            text = self._known.sub(REPLACEMENT, text)
        return _TOKEN.sub(REPLACEMENT, _LOGIN.sub(rf"\1{REPLACEMENT}@", text))


def secrets_of(urls: Iterable[str], environment: Mapping[str, str]) -> set[str]:
    """Return the passwords in these addresses, and those that libpq and we read from variables."""
    found = {password for url in urls for password in _passwords(url)}
    found |= {value for name, value in environment.items() if name.upper().endswith("PASSWORD")}
    return found - {""}


def _passwords(url: str) -> list[str]:
    parts = urlsplit(url)
    return [unquote(parts.password or ""), *parse_qs(parts.query).get("password", [])]
