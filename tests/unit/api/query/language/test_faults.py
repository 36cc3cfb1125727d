"""What is wrong with a question: each fault, and the character it names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.error_detail import ErrorDetail
from api.query.language.faults import MAX_FAULTS
from api.query.language.parser import MAX_DEPTH, MAX_QUESTION
from api.query.pairs import InvalidQuery
from tests.support.questions import faults_in, parsed, places

# Pieces that mean something in a question, so that random ones come near to a good one.
PIECES = [
    *("(", ")", '"', "-", "*", "\\", '\\"', ":", ">", ">=", "<", "=", "!=", " ", "\n", "\r\n", "."),
    *("AND", "OR", "NOT", "component", "environment", "email", "message", "id", "occurred_at"),
    *("any", "data", "data.a", 'data."b c"', "data.a.b", "componnet", "created_at", "x", "5", "-5"),
    *("2021-04-16", "-24h", "now", "1e999999", "\ufeff", "\u0301", "日本", "018f0000-0000-7000"),
]


@pytest.mark.parametrize(
    ("question", "character", "why"),
    [
        ("componnet:billing", 1, "did you mean component?"),
        ("paid componnet:billing", 6, "did you mean component?"),
        ("paid -Component:billing", 7, "did you mean component?"),
        ("env:dev", 1, "did you mean environment?"),
        ("mail:a@b.org", 1, "did you mean email?"),
        ("mesage:paid", 1, "did you mean message?"),
        ("occured_at>-24h", 1, "did you mean occurred_at?"),
        ("occurred:*", 1, "did you mean occurred_at?"),
        ("ID:5", 1, "did you mean id?"),
        ("Any:5", 1, "did you mean any?"),
        ("Data.a:5", 1, "did you mean data.<path>?"),
        ("dta.a>5", 1, "did you mean data.<path>?"),
        ("amount>100", 1, "did you mean data.amount>100?"),
        ("a OR order.total <= 5", 6, "did you mean data.order.total<="),
        ('customer:"J S"', 1, "data.customer:"),
        ("customer:(a OR b)", 1, "data.customer:"),
        ("created_at>2021-04-16", 1, "from_date"),
        ("from_date:-24h", 1, "from_date"),
        ("data:5", 1, "needs a path"),
        ("data[0].a:5", 1, "needs a path"),
        ("data.:5", 1, "empty key"),
        ("data.a..b:5", 1, "empty key"),
        ("data.a[0]:5", 1, "'['"),
        ("data.a*:5", 1, "'*'"),
        ("data" + ".a" * 65 + ":5", 1, "64 keys"),
        ("component=billing", 1, "component:value"),
        ("component = billing", 1, "component:value"),
        ("component=>billing", 1, "component:value"),
        ("a data.a => 5", 3, "did you mean >=?"),
        ("data.a=<5", 1, "did you mean <=?"),
        ("data.a==5", 1, "data.a:value"),
        ("data.a!=5", 1, "-data.a:value"),
        ("data.a != 5", 1, "-data.a:value"),
        ("component>a", 1, "no order"),
        ("a OR message > 5", 6, "no order"),
        ("data.a:>5", 8, "in place of the colon"),
        ("data.a:(>5 AND <7)", 9, "in place of the colon"),
        ("data.a>>5", 8, "in place of the colon"),
        ("data.a:", 1, "needs a value"),
        ("a component: billing", 3, "needs a value"),
        ("(component:)", 2, "needs a value"),
        ("data.a> ", 1, "a value follows the >"),
        ("data.a>(5)", 1, "one value"),
        ("data.a>*", 8, "follows a field"),
        ("data.a>.5", 8, "not a number in JSON"),
        ("data.a>+5", 8, "not a number in JSON"),
        ("data.a>1_000", 8, "not a number in JSON"),
        ("data.a>1,000", 8, "not a number in JSON"),
        ("data.a>-7d", 8, "only occurred_at"),
        ("data.a<now", 8, "only occurred_at"),
        ("data.a:[10 TO 20]", 8, "two comparisons"),
        ("data.a:10..20", 8, "two comparisons"),
        ("data.a:(1 OR 1.5..2)", 14, "two comparisons"),
        ("data.a>٣", 8, "not a number in JSON"),
        ("data.a>1e999999", 8, "PostgreSQL"),
        ("id:5", 4, "not a UUID"),
        ("id:(5 OR 018f0000-0000-7000-8000-000000000001)", 5, "not a UUID"),
        ("occurred_at>yesterday", 13, "not an accepted date"),
        ("occurred_at>2021-04-16T12:30 02:00", 13, "%2B"),
        ("occurred_at>2021-04-16 12:30", 13, "stand in quotes"),
        ("occurred_at>= 04-16-2021 9:30 paid", 15, "stand in quotes"),
        ("occurred_at:(2021-04-16 04-17-2021)", 25, "OR"),
        ("component:(a b)", 14, "write OR"),
        ("email:(a (b))", 10, "write OR"),
        ("component:a*b", 11, "at the end"),
        ("component:*-api", 11, "at the end"),
        ("paym*", 1, "parts of words"),
        ("data.a:b*", 8, "rest of a name"),
        ("email:(b*)", 8, "rest of a name"),
        ("email:*@b.org", 7, "rest of a name"),
        ("*", 1, "in quotes"),
        ("a (*)", 4, "in quotes"),
        ("any:*", 5, "in quotes"),
        ('""', 1, "empty"),
        ('component:" "', 11, "empty"),
        ('a "b', 3, "not closed"),
        ('"a\\"', 1, "not closed"),
        ('a"b"', 2, "touches"),
        ('"a"b', 4, "touches"),
        ('"a""b"', 4, "touches"),
        ('{"a":1}', 2, "touches"),
        ("handler() failed", 8, "touches"),
        ("(a", 1, "not closed"),
        ("a) b", 2, "no parenthesis is open"),
        (")", 1, "no parenthesis is open"),
        ("a ()", 3, "nothing stands in"),
        ("email:()", 7, "nothing stands in"),
        ("a AND", 3, "after it"),
        ("OR a", 1, "before it"),
        ("a (AND b)", 4, "before it"),
        ("a AND OR b", 3, "after it"),
        ("NOT", 1, "after it"),
        ("(a NOT)", 4, "after it"),
        ("a -", 3, "directly before"),
        ("a - b", 3, "directly before"),
        ("--force", 1, "directly before"),
        ("message:(component:a)", 10, "no field stands"),
        ("data.a:(data.b>5)", 9, "no field stands"),
        ("(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1), MAX_DEPTH + 1, "within each other"),
        ("a " * 51, 101, "more than 50 terms"),
        ("x" * 1001, 1, "longer than 1,000"),
        ("a " * (MAX_QUESTION // 2) + "b", MAX_QUESTION + 1, "longer than 4,000"),
        ("", 1, "empty"),
    ],
)
def test_a_fault_names_its_character(question: str, character: int, why: str) -> None:
    fault = faults_in(question)[0]
    assert fault.parameter == "q"
    assert fault.character == character
    assert f"q, character {character}" in fault.detail
    assert why in fault.detail


def test_every_fault_is_told_in_the_order_of_its_character() -> None:
    faults = faults_in("(componnet:a OR id:5) data.a>.5) mail:b AND")
    assert places(faults) == [1 + 1, 20, 30, 32, 34, 41]


@pytest.mark.parametrize(
    ("question", "character", "meant"),
    [
        ("component:a && paid", 13, "did you mean AND?"),
        ("paid || refunded", 6, "did you mean OR?"),
        ("paid !draft", 6, "did you mean -draft?"),
        ("!component:a", 1, "did you mean -component:a?"),
        ("\u201cwas paid\u201d", 1, 'did you mean "?'),
        ("component:a or component:b", 13, "did you mean OR?"),
        ("(paid component:a) And (email:b)", 20, "did you mean AND?"),
        ("component:a or -component:b", 13, "did you mean OR?"),
        ("paid not component:b", 6, "did you mean NOT?"),
    ],
)
def test_what_other_languages_write_is_told_with_what_was_meant(
    question: str, character: int, meant: str
) -> None:
    fault = faults_in(question)[0]
    assert fault.character == character
    assert meant in fault.detail


@pytest.mark.parametrize(
    "question",
    ["paid or refunded", "component:a not found", '"&&"', "a&&b", "!", "it\u2019s", '"!a"'],
)
def test_what_may_well_be_text_is_text(question: str) -> None:
    assert parsed(question)


def test_many_faults_are_cut_off() -> None:
    assert len(faults_in("id:5 " * 40)) == MAX_FAULTS


@pytest.mark.parametrize(
    "letter", ["x", "日", '"', "\\", "(", "-", ":", "*", "\u0301", "componnet:"]
)
def test_no_question_makes_an_error_long(letter: str) -> None:
    for question in (letter * 4000, f"component:{letter * 3000}", f"data.{letter * 3000}!=5"):
        assert sum(len(f"{fault}") for fault in found_in(question)) < 8000


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=30).map("".join))
def test_any_text_gives_a_tree_or_faults_with_their_characters(question: str) -> None:
    for fault in found_in(question):
        assert fault.character
        assert 1 <= fault.character <= len(question) + 1
        assert fault.excerpt
        assert fault.excerpt.endswith("^")


@given(st.sampled_from(PIECES), st.sampled_from(PIECES), st.integers(1, 2000))
def test_repetition_without_end_gives_a_tree_or_faults(one: str, two: str, count: int) -> None:
    assert len(found_in((one + two) * count)) <= MAX_FAULTS


def found_in(question: str) -> list[ErrorDetail]:
    """Return the faults of a question, none if it is good."""
    try:
        parsed(question)
    except InvalidQuery as invalid:
        return invalid.faults
    return []
