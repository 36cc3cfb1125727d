"""Files to import, and the command that imports them."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from storage.postgres.engine import short_engine
from testbed.service import Service
from testbed.waiting import wait_until
from tests.support.send_command import ImportCommand

PAST = datetime(2018, 6, 1, tzinfo=UTC)


@pytest.fixture
def importing(running: Service, tmp_path: Path) -> ImportCommand:
    return ImportCommand(running.url, tmp_path / "state")


def at(instant: datetime) -> str:
    return f"{instant.isoformat(timespec='milliseconds')[:-6]}Z"


Rows = list[dict[str, Any]]


def rows(component: str, count: int) -> Rows:
    step = timedelta(minutes=7)
    return [
        {
            "created_at": at(PAST + number * step),
            "import_id": f"{component}-{number}",
            "component": component,
            "environment": "live",
            "message": f"m{number}",
        }
        for number in range(count)
    ]


def ndjson(found: Rows) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in found).encode()


def as_csv(found: Rows) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(found[0]))
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue().encode()


def stored(running: Service, component: str, count: int) -> Rows:
    """Return all events of the component, once there are so many."""
    with short_engine(running.settings.database_url) as engine, engine.connect() as connection:

        def found() -> int:
            number = connection.scalar(
                sa.text("SELECT count(*) FROM events WHERE component = :name"), {"name": component}
            )
            connection.rollback()
            return int(number or 0)

        wait_until(lambda: found() >= count, f"{count} events of {component}", 120)
    events: Rows = []
    cursor = None
    while cursor or not events:
        more: dict[str, str] = {"cursor": cursor} if cursor else {}
        page = running.http.get(
            "/events", params={"component": component, "order": "asc", "limit": 1000, **more}
        ).json()
        events += page["events"]
        cursor = page["next_cursor"]
        if not cursor:
            break
    return events
