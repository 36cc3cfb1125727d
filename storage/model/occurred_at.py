"""When an event happened, by its producer's clock, in the one form in which it is kept. Pure.

That form is RFC 3339 in UTC with microseconds: `2026-11-24T05:28:53.120000Z`.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

_has_form = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
).fullmatch


def occurred_text(instant: datetime) -> str:
    """Return the text of an aware datetime. Raises OverflowError before year 1 and after 9999."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def require_occurred_texts(texts: Iterable[str]) -> None:
    """Raise ValueError unless each is what `occurred_text` returns for an instant.

    PostgreSQL would take other texts, and more than Python can read again: `now`, `infinity`.
    """
    for text in texts:
        if not _has_form(text):
            raise ValueError("`occurred_at` is not in UTC with microseconds")
        datetime.fromisoformat(text)
