"""Each replay and each discard of a dead letter is one step with its line in the audit log."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from cli.main import main
from storage.access.actor import actor
from storage.access.audit import newest_lines
from storage.cache.invalidation import CacheInvalidator
from storage.dead_letters import DeadLetters
from storage.postgres.tables import dead_letters
from storage.redis.client import connect
from storage.settings import StorageSettings
from tests.support.access import START, Homes, homes_of
from tests.support.queued import add_dead_letter, make_event

REFUSE = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE data_exception USING MESSAGE = 'refused for ' || NEW.email;
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()
"""


@pytest.fixture
def homes(settings: StorageSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Homes]:
    for name in ("queue_url", "control_url", "database_url"):
        monkeypatch.setenv(f"ACTIVITY_{name.upper()}", getattr(settings, name))
    with homes_of(settings) as found:
        yield found


def acts(homes: Homes) -> list[tuple[str, ...]]:
    lines = newest_lines(homes.engine, START, 10)
    assert {line.actor for line in lines} <= {actor()}
    assert all(line.details == {} for line in lines)
    return [(line.action, line.target, line.result) for line in reversed(lines)]


def execute(homes: Homes, statement: Any) -> None:
    with homes.engine.begin() as connection:
        connection.execute(statement)


def test_a_replay_and_a_discard_are_recorded(homes: Homes) -> None:
    stored, thrown = make_event(), make_event()
    for event in (stored, thrown):
        add_dead_letter(homes.engine, event)
    assert main(["dead-letters", "replay", stored.id]) == 0
    assert main(["dead-letters", "discard", thrown.id]) == 0
    assert main(["dead-letters", "discard", thrown.id]) == 1  # there is none any more
    assert main(["dead-letters", "list"]) == 0
    assert acts(homes) == [
        ("dead-letters replay", stored.id, "done"),
        ("dead-letters discard", thrown.id, "done"),
    ]


def test_a_replay_that_is_refused_is_recorded_without_a_word_of_the_event(homes: Homes) -> None:
    refused, unreadable = make_event(email="a@example.com"), make_event()
    for event in (refused, unreadable):
        add_dead_letter(homes.engine, event)
    execute(homes, sa.text(REFUSE.format(table="events")))
    change = dead_letters.update().where(dead_letters.c.id == UUID(unreadable.id))
    execute(homes, change.values(event=b"a@example.com"))
    for event in (refused, unreadable):
        assert main(["dead-letters", "replay", event.id]) == 1
    assert acts(homes) == [
        ("dead-letters replay", refused.id, "refused"),
        ("dead-letters replay", unreadable.id, "refused"),
    ]


@pytest.mark.parametrize("act", ["replay", "discard"])
def test_an_act_that_can_not_be_recorded_is_not_done(
    homes: Homes, settings: StorageSettings, act: str
) -> None:
    event = make_event()
    add_dead_letter(homes.engine, event)
    execute(homes, sa.text("ALTER TABLE audit_log ADD CHECK (false) NOT VALID"))
    with connect(settings.control_url) as control:
        invalidator = CacheInvalidator(control)
        letters = DeadLetters(homes.engine, "day", invalidator)
        (letter,) = letters.newest(1)
        with pytest.raises(sa.exc.IntegrityError):
            letters.replay(letter) if act == "replay" else letters.discard(letter.id)
        assert letters.newest(1) == [letter]
        assert not invalidator.has_pending_write("replay")
