"""`activity sql`: psql of a run, which reads everything and changes nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cli import state
from storage.postgres.engine import short_engine
from tests.acceptance.test_up import EVENT, post_stored, up
from tests.support.activity_command import ActivityCommand
from tests.support.data_folders import reachable_folder


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """Run a service with one event on this folder."""
    with reachable_folder() as folder:
        path = folder / "my data"
        with up(path) as (process, client):
            post_stored(client)
            yield path
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def activity(data: Path) -> ActivityCommand:
    return ActivityCommand(ACTIVITY_DATA_DIR=str(data), PGUSER="nobody", PGOPTIONS="-c x=y")


def test_it_answers_questions_with_the_options_of_psql(activity: ActivityCommand) -> None:
    assert activity.lines("sql", "-c", "SELECT count(*) FROM events")[2].strip() == "1"
    assert activity.lines("sql", "-A", "-t", "-c", "SELECT message FROM events") == ["yesterday"]
    assert activity.lines("sql", "--csv", "-c", "SELECT 1 AS one") == ["one", "1"]
    assert activity.lines("sql", "--", "--version")[0].startswith("psql (PostgreSQL)")
    assert activity.lines("sql", "-At", input="SELECT 2;\n") == ["2"]
    assert activity.run("sql", "-c", "SELECT nothing").returncode == 1


@pytest.mark.parametrize("lift", ["SELECT 1", "SET default_transaction_read_only = off"])
@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM events",
        "TRUNCATE events",
        "DROP TABLE events",
        "INSERT INTO drain_ledger (shard) VALUES (7)",
        "CREATE TABLE other (n int)",
        "BEGIN READ WRITE; UPDATE events SET message = 'other'; COMMIT",
        "SET ROLE activity",
        "SET SESSION AUTHORIZATION activity",
        "ALTER ROLE activity_read_only SUPERUSER",
        "COPY events TO PROGRAM 'cat'",
    ],
)
def test_it_changes_nothing_though_read_only_is_switched_off(
    activity: ActivityCommand, lift: str, change: str
) -> None:
    ended = activity.run("sql", "-v", "ON_ERROR_STOP=1", "-c", lift, "-c", change)
    assert ended.returncode == 1
    assert "ERROR:" in ended.stderr
    assert activity.lines("sql", "-At", "-c", "SELECT message FROM events") == ["yesterday"]


def test_its_role_is_limited_again_each_time(data: Path, activity: ActivityCommand) -> None:
    statement = "ALTER ROLE activity_read_only SUPERUSER"
    url = state.running(data).urls.database_url
    with short_engine(url) as engine, engine.begin() as connection:
        connection.execute(sa.text(statement))
    asked = "SELECT rolsuper, rolcanlogin FROM pg_roles WHERE rolname = current_user"
    assert activity.lines("sql", "-At", "-c", asked) == ["f|t"]


def test_other_commands_of_the_terminal_find_the_run_by_its_folder(
    activity: ActivityCommand, data: Path
) -> None:
    for command in (activity, ActivityCommand()):
        options = () if command is activity else ("--data-dir", data)
        (line,) = command.lines("query", "--json", *options)
        assert f'"message":"{EVENT["message"]}"' in line


def test_without_a_run_it_says_so(tmp_path: Path) -> None:
    for words in (("sql",), ("query",), ("get", "019a9b0c-6d2e-7b43-a1f0-5a3c2f1e0d9b")):
        ended = ActivityCommand().run(*words, "--data-dir", tmp_path)
        assert ended.returncode == 1
        assert f"nothing runs on the data folder {tmp_path}" in ended.stderr
