"""An operator sees what failovers of the queue have lost, and forgets it on request only."""

import json

import pytest

from cli.main import main
from storage.postgres.engine import short_engine
from storage.queue.witness import Evidence, Gap
from storage.queue.witness_record import read_evidence, record_evidence
from storage.settings import StorageSettings


def test_what_was_lost_is_shown_and_forgotten_with_yes_only(
    settings: StorageSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACTIVITY_DATABASE_URL", settings.database_url)

    def said(*words: str, status: int = 0) -> str:
        assert main(["losses", *words]) == status
        told = capsys.readouterr()
        return told.out + told.err

    with short_engine(settings.database_url) as engine:
        gaps = [Gap(0, 70, 100), Gap(2, 0, 1)]
        record_evidence(engine, Evidence({0: 100}, {}, gaps))
        text = "shard 0: 30 events, from number 71\nshard 2: 1 event, from number 1\n"
        assert said("show") == f"{text}31 acknowledged events may be lost\n"
        assert "confirm it with --yes" in said("forget", status=2)
        document = {"lost": 31, "gaps": [each._asdict() for each in gaps]}
        assert json.loads(said("forget", "--yes", "--json")) == document
        assert read_evidence(engine) == Evidence({}, {}, [])
    assert said("show") == "0 acknowledged events may be lost\n"
