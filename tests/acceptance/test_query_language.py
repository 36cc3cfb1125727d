"""The query language over HTTP: every example of its page, every fault, and limited keys."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.access.api_key import Scope
from storage.model.event import Event
from storage.model.name_limits import NameLimits
from storage.settings import StorageSettings
from testbed.servers import TestServers
from testbed.service import Service, service
from tests.support.hostile import fuzz
from tests.support.keys import TestKey, client, new_key, put_on_queue
from tests.support.problems import problem
from tests.support.questions import trees, written
from tests.support.reading import made, store

PAGE = Path(__file__).parents[2] / "docs/query-language.md"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000

COMPONENTS = ["auth", "pay", "pay-a", "pay*", "billing", "web"]
ENVIRONMENTS = ["prod", "prod-eu", "dev"]
ALL = new_key(Scope.READ)
LIMITED = [
    new_key(Scope.READ, components=("pay*",)),
    new_key(Scope.READ, components=("web", "auth")),
    new_key(Scope.READ, components=("billing",), environments=("prod*",)),
    new_key(Scope.READ, environments=("dev",)),
]


class Example(NamedTuple):
    """An event that an example of the page finds, and one that it does not find."""

    found: dict[str, Any]
    other: dict[str, Any]


def of_message(found: str, other: str) -> Example:
    return Example({"message": found}, {"message": other})


def of_data(found: object, other: object) -> Example:
    return Example({"data": json.dumps(found)}, {"data": json.dumps(other)})


EXAMPLES = {
    "paid": of_message("an invoice was PAID", "an invoice was sent"),
    "invoice paid": of_message("paid: an invoice", "paid: an order"),
    '"was paid"': of_message("it was paid", "paid it was"),
    "paid OR refunded": of_message("refunded", "a parcel"),
    "paid -draft": of_message("paid", "a paid draft"),
    "10.0.0.1:80": of_message("no route to 10.0.0.1:80", "no route to 10.0.0.1"),
    r'"say \"hi\""': of_message('they say "hi"', "they say hi"),
    "component:billing": Example({"component": "billing"}, {"component": "billing-2"}),
    "component:(auth OR pay*) -environment:dev": Example(
        {"component": "payroll", "environment": "prod"},
        {"component": "payroll", "environment": "dev"},
    ),
    r"component:pay\*": Example({"component": "pay*"}, {"component": "payroll"}),
    "email:jo@example.org": Example({"email": "Jo@Example.org"}, {"email": "x.jo@example.org"}),
    "-email:*": Example({}, {"email": "jo@example.org"}),
    "data.customer.tier:gold": of_data({"customer": {"tier": "gold"}}, {"tier": "gold"}),
    "data.tags:(urgent OR vip)": of_data({"tags": ["new", "vip"]}, {"tags": ["vips"]}),
    "data.amount>100 data.amount<=250.50": of_data({"amount": 250.5}, {"amount": "200"}),
    "data.error:* -data.error:null": of_data({"error": 0}, {"error": None}),
    'data."first name":Jo': of_data({"first name": "Jo"}, {"first": {"name": "Jo"}}),
    "occurred_at>-24h": Example({"age_ms": HOUR_MS}, {"age_ms": 2 * DAY_MS}),
    "any:jo@example.org": Example(
        {"data": '{"to": ["Jo@Example.org"]}'}, {"data": '{"to": ["jo@example.com"]}'}
    ),
    "(timeout OR refused) -(component:test* OR environment:dev)": Example(
        {"message": "connection refused"}, {"message": "timeout", "component": "test-1"}
    ),
}


class Asked(NamedTuple):
    """A service with the events of all examples and more, and their ids."""

    running: Service
    stored: list[Event]
    examples: dict[str, tuple[Event, Event]]


@pytest.fixture(scope="module")
def asked(servers: TestServers) -> Iterator[Asked]:
    """Run a service whose history has the events."""
    with servers.fresh() as settings:
        examples = {
            question: (event_of(**example.found), event_of(**example.other))
            for question, example in EXAMPLES.items()
        }
        stored = [one for pair in examples.values() for one in pair] + list(random_events(200))
        put_on_queue(settings, ALL, *LIMITED)
        with running_with(settings, stored) as running:
            yield Asked(running, stored, examples)


def running_with(settings: StorageSettings, stored: list[Event]) -> Any:
    store(settings, stored)
    return service(settings, workers=0, auth="required", cache_grace_ms=0)


def event_of(age_ms: int = HOUR_MS, **fields: Any) -> Event:
    return made(int(time.time() * 1000) - age_ms, **fields)


def random_events(count: int) -> Iterator[Event]:
    spread = Random(5)
    for _ in range(count):
        yield event_of(
            spread.randrange(DAY_MS),
            component=spread.choice(COMPONENTS),
            environment=spread.choice(ENVIRONMENTS),
            message=spread.choice(["paid", "an invoice was paid", "refused", "50% _ \\ off"]),
            email=spread.choice([None, "jo@example.org"]),
            data=spread.choice(["null", '{"n": 5}', '{"n": "5"}', '{"n": [5, 6]}', "[1]", '"x"']),
        )


def ask(http: httpx.Client, question: str | list[str], **more: Any) -> httpx.Response:
    return http.get("/events", params={"q": question, "limit": 1000, **more})


def ids_of(http: httpx.Client, question: str) -> set[str]:
    response = ask(http, question)
    assert response.status_code == 200, response.text
    return {event["id"] for event in response.json()["events"]}


# --- the page ----------------------------------------------------------------------------------


def test_the_page_has_these_twenty_examples() -> None:
    section = PAGE.read_text().split("## Twenty examples")[1].split("\n## ")[0]
    shown = re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)
    assert shown == list(EXAMPLES)
    assert len(shown) == 20


@pytest.mark.parametrize("question", EXAMPLES)
def test_an_example_of_the_page_finds_one_event_and_not_the_other(
    asked: Asked, question: str
) -> None:
    found, other = asked.examples[question]
    with client(asked.running, ALL) as http:
        ids = ids_of(http, question)
    assert found.id in ids
    assert other.id not in ids


def test_the_fault_on_the_page_is_the_one_that_is_answered(asked: Asked) -> None:
    shown = json.loads(PAGE.read_text().split("```json\n")[1].split("```")[0])
    with client(asked.running, ALL) as http:
        found = problem(ask(http, "componnet:billing paid"), 422)
    assert {name: found[name] for name in shown} == shown


# --- the parameter -----------------------------------------------------------------------------


def test_q_and_parameters_must_all_match(asked: Asked) -> None:
    with client(asked.running, ALL) as http:
        found = ask(http, "paid -environment:dev", component=["pay", "web"]).json()["events"]
    assert found
    expected = {
        event.id
        for event in asked.stored
        if "paid" in event.message.lower()
        and event.environment != "dev"
        and event.component in ("pay", "web")
    }
    assert {event["id"] for event in found} == expected


def test_an_empty_question_asks_nothing(asked: Asked) -> None:
    with client(asked.running, ALL) as http:
        assert len(ids_of(http, " ")) == len(asked.stored)


def test_a_pasted_question_is_pointed_at_in_its_line(asked: Asked) -> None:
    with client(asked.running, ALL) as http:
        found = problem(ask(http, "component:billing\r\n AND (paid OR\n componnet:x)"), 422)
    (fault,) = found["errors"]
    assert fault["parameter"] == "q"
    assert fault["character"] == 35
    assert "line 3, character 2" in fault["detail"]
    assert fault["excerpt"] == " componnet:x)\n ^"


def test_faults_of_q_and_of_parameters_are_told_together(asked: Asked) -> None:
    with client(asked.running, ALL) as http:
        found = problem(ask(http, "id:5 componnet:x", order="up"), 422)
    told = [(fault["parameter"], fault.get("character")) for fault in found["errors"]]
    assert sorted(told, key=str) == [("order", None), ("q", 4), ("q", 6)]


def test_two_different_questions_are_refused(asked: Asked) -> None:
    with client(asked.running, ALL) as http:
        problem(ask(http, ["a", "b"]), 422)
        assert ask(http, ["a", "a"]).status_code == 200


def test_a_long_question_is_taken_and_a_longer_one_refused(asked: Asked) -> None:
    with client(asked.running, ALL) as http:
        assert ask(http, "x" * 999 + " " * 3001).status_code == 200
        assert "4,000" in problem(ask(http, "x" * 999 + " " * 3002), 422)["errors"][0]["detail"]


PIECES = [
    *(
        "(",
        ")",
        '"',
        "-",
        "*",
        "\\",
        ":",
        ">",
        ">=",
        " ",
        "\n",
        "AND ",
        " OR ",
        "NOT ",
        "paid",
        "%",
    ),
    *("component:", "email:", "id:", "occurred_at>", "any:", "data.n:", "data.n<", 'data."b c">'),
    *("1e131071", "-1e-16383", "9999-12-31T23:59:59Z", "0001-01-01", "0001-01-01T00:00+23:59"),
    *("5", "-5", "1e300", "2021-04-16", "-24h", "null", "[1]", '{"n":5}', "\ud7ff", "日", "\0"),
]


def test_any_question_is_answered_with_a_page_or_its_faults(asked: Asked) -> None:
    with client(asked.running, ALL) as http:

        @fuzz(300)
        @given(st.lists(st.sampled_from(PIECES) | st.text(max_size=2), max_size=12))
        def answers(pieces: list[str]) -> None:
            text = "".join(pieces).encode(errors="replace").decode()
            response = ask(http, text)
            assert response.status_code in (200, 422), (text, response.text)
            if response.status_code == 422:
                assert problem(response, 422)["errors"]

        answers()


def test_every_tree_is_answered_with_a_page(asked: Asked) -> None:
    with client(asked.running, ALL) as http:

        @fuzz(150)
        @given(trees(3).map(written))
        def answers(question: str) -> None:
            assert ask(http, question).status_code == 200, question

        answers()


# --- limited keys ------------------------------------------------------------------------------

TEXTS = [
    *("component:pay", "component:pay*", "component:web", "environment:dev", "environment:prod*"),
    *("paid", "any:prod", "email:*", "data.n:5", "component:*", r"component:pay\*", "id:*"),
]
QUESTIONS = st.recursive(
    st.sampled_from(TEXTS),
    lambda inner: st.one_of(
        st.builds("-({})".format, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("({} {})".format, inner, inner),
    ),
    max_leaves=5,
)


@pytest.mark.parametrize("key", LIMITED, ids=lambda key: str(key.key.components))
def test_no_question_shows_a_limited_key_more_than_its_limits(asked: Asked, key: TestKey) -> None:
    admitted = {event.id for event in asked.stored if is_within(key, event)}
    assert 0 < len(admitted) < len(asked.stored)
    with client(asked.running, ALL) as unlimited, client(asked.running, key) as limited:

        @fuzz(60)
        @given(QUESTIONS)
        def narrows(question: str) -> None:
            assert ids_of(limited, question) == ids_of(unlimited, question) & admitted

        narrows()
        assert ids_of(limited, "-component:nobody") == admitted
        assert ids_of(limited, "component:nobody OR -component:nobody") == admitted


def is_within(key: TestKey, event: Event) -> bool:
    limits = NameLimits.of(key.key.components, key.key.environments)
    return limits is None or limits.admits(event)
