"""A header that can't make events is told at once."""

import pytest

from cli.errors import SendError
from cli.send.csv_header import IMPORTED, SENT, EventFields, check_header
from cli.send.mapping import parse_mappings

EVENT = ("component", "environment", "message")


@pytest.mark.parametrize(
    ("names", "maps", "fields"),
    [
        (EVENT, (), SENT),
        ((*EVENT, "created_at", "data.a.b", "data"), ("data.c=email",), IMPORTED),
        ((*EVENT, "id"), (), IMPORTED),
        (("svc", *EVENT[1:], "junk"), ("svc=component", "junk="), SENT),
        (("x",), (), None),
    ],
)
def test_a_header_that_makes_events_is_taken(
    names: tuple[str, ...], maps: tuple[str, ...], fields: EventFields | None
) -> None:
    check_header(names, parse_mappings(maps), fields)


@pytest.mark.parametrize(
    ("names", "maps", "fields", "words"),
    [
        (EVENT, (), IMPORTED, "no column gives created_at."),
        (("svc", *EVENT[1:]), (), SENT, "no column gives component; no field of an event is svc."),
        (("svc", *EVENT[1:]), (), SENT, "The columns: svc, environment, message"),
        ((*EVENT, "created_at"), (), SENT, "no field of an event is created_at."),
        (EVENT, ("mail=email",), SENT, "--map names columns that are not there: mail."),
        ((*EVENT, "mail"), ("mail=emial",), SENT, "no field of an event is emial."),
        (("component;environment",), (), SENT, "has semicolons in it: give --delimiter ';'"),
        (("component\tmessage",), (), SENT, "give --delimiter tab"),
        (tuple(f"c{n}" for n in range(60)), (), SENT, "c39 and 20 more"),
    ],
)
def test_a_header_that_makes_none_is_refused_with_the_remedy(
    names: tuple[str, ...], maps: tuple[str, ...], fields: EventFields, words: str
) -> None:
    with pytest.raises(SendError) as refused:
        check_header(names, parse_mappings(maps), fields)
    assert words in str(refused.value)
    assert "--map NAME=FIELD" in str(refused.value)
