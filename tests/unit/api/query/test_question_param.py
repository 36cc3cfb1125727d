"""The parameter `q` beside the others: what both can say is one question with one cache key."""

from urllib.parse import urlencode

import pytest

from api.query.params import parse_filters
from api.query.question import PageQuestion, parse
from storage.model.filters import Filters, digest
from tests.support.query_faults import faults_of


def asked(**parameters: str | list[str]) -> Filters:
    names = {name.replace("not_", "-"): value for name, value in parameters.items()}
    return parse_filters(urlencode(names, doseq=True).encode())


@pytest.mark.parametrize(
    ("question", "parameters"),
    [
        ("component:billing", {"component": "billing"}),
        ('component:"billing"', {"component": "billing"}),
        ("component:(a OR b)", {"component": ["b", "a"]}),
        ("(component:a OR component:b)", {"component": ["a", "b"]}),
        ("-component:a", {"not_component": "a"}),
        ("NOT (component:a OR component:b)", {"not_component": ["a", "b"]}),
        ("-component:a -component:b", {"not_component": ["a", "b"]}),
        ("environment:dev component:a", {"component": "a", "environment": "dev"}),
        ("email:Jo@Example.org", {"email": "jo@example.org"}),
        ("paid", {"message": "paid"}),
        ('"was paid"', {"message": "was paid"}),
        ("paid OR refunded", {"message": ["paid", "refunded"]}),
        ("component:* id:* component:a", {"component": "a"}),
        ("component:*", {}),
        ("component:pay*", {"component": "pay*"}),
        (r"component:(pay\* OR bill*)", {"component": [r"pay\*", "bill*"]}),
        (r"component:pay\**", {"component": r"pay\**"}),
        ("-environment:dev*", {"not_environment": "dev*"}),
        ("-email:jo@example.org", {"not_email": "jo@example.org"}),
        ("-paid -refunded", {"not_message": ["paid", "refunded"]}),
        ("data.a.b:5", {"data.a.b": "5"}),
        ("data.a:(5 OR gold)", {"data.a": ["5", "gold"]}),
        ('data.a:"x y" data.b:null', {"data.a": "x y", "data.b": "null"}),
        ("-data.a:5", {"not_data.a": "5"}),
    ],
)
def test_what_parameters_say_too_is_the_same_question(
    question: str, parameters: dict[str, str | list[str]]
) -> None:
    assert asked(q=question) == asked(**parameters)
    assert digest(asked(q=question)) == digest(asked(**parameters))


def test_a_question_with_a_relative_date_is_remembered_for_its_minute_only() -> None:
    assert relative("q=occurred_at>-24h")
    assert relative("q=paid OR -occurred_at<=now")
    assert not relative("q=occurred_at>2021-04-16 paid")


def relative(query_string: str) -> bool:
    found = parse(query_string.encode())
    assert isinstance(found.asked, PageQuestion)
    return found.asked.is_relative


def test_a_question_is_not_stripped_before_its_characters_are_counted() -> None:
    (fault,) = faults_of(b"q=%0A+id:5")
    assert fault.character == 6
    assert fault.parameter == "q"


def test_only_one_question_is_taken() -> None:
    assert asked(q=["paid", "paid", " paid"]) == asked(q="paid")
    (fault,) = faults_of(b"q=paid&q=refunded")
    assert "more than once" in fault.detail


def test_a_fault_of_repeated_questions_is_told_once() -> None:
    assert len(faults_of(b"q=id:5&q=id:5&limit=0")) == 2
