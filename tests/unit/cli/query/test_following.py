"""`--follow` says that it waits where nothing would be seen."""

import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.query.following import follow
from cli.query.reader import ServiceReader


class Quiet:
    """A service that stores nothing; the second question is interrupted."""

    def __init__(self) -> None:
        self.asked = 0

    def get(self, path: str, parameters: object) -> Any:
        self.asked += 1
        if self.asked > 1:
            raise KeyboardInterrupt
        return SimpleNamespace(body=b'{"events": [], "next": "t", "behind": 0}')


@pytest.mark.parametrize("is_terminal", [True, False])
def test_people_are_told_that_it_waits_for_events(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    with pytest.raises(KeyboardInterrupt):
        follow(cast(ServiceReader, Quiet()), [], print, limit=0)
    said = capsys.readouterr()
    assert said.out == ""
    assert ("waiting for the next event" in said.err) is is_terminal
