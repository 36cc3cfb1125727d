"""What a question means: its tree of terms."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given

from api.query.language.parser import MAX_DEPTH, MAX_QUESTION
from api.query.language.terms import MAX_TEXT
from storage.model.where import (
    And,
    Contains,
    DataCompares,
    DataIs,
    Email,
    Exists,
    Id,
    Name,
    Not,
    OccurredCompares,
    Or,
    Where,
)
from tests.support.questions import MINUTE, parsed, trees, written

A, B, C, D = map(Contains, "abcd")
DAY, NEXT_DAY = datetime(2021, 4, 16, tzinfo=UTC), datetime(2021, 4, 17, tzinfo=UTC)
NOON = datetime(2021, 4, 16, 12, tzinfo=UTC)


def both(*parts: Where) -> And:
    return And(parts)


def either(*parts: Where) -> Or:
    return Or(parts)


def test_the_question_of_the_issue() -> None:
    question = 'component:(auth OR pay*) -environment:dev data.amount>100 data.error:* "was paid"'
    assert parsed(question) == both(
        either(Name("component", "auth"), Name("component", "pay", is_prefix=True)),
        Not(Name("environment", "dev")),
        DataCompares(("amount",), ">", Decimal(100)),
        Exists(("error",)),
        Contains("was paid"),
    )


@given(trees())
def test_every_tree_can_be_written_and_is_read_as_it_was_meant(tree: Where) -> None:
    assert parsed(written(tree)) == tree


@pytest.mark.parametrize(
    ("question", "meaning"),
    [
        ("a b", both(A, B)),
        ("a AND b c", both(A, B, C)),
        ("a OR b", either(A, B)),
        ("a b OR c d", either(both(A, B), both(C, D))),
        ("a OR b AND c", either(A, both(B, C))),
        ("(a OR b) c", both(either(A, B), C)),
        ("(a OR b)(c)", both(either(A, B), C)),
        ("-a OR b", either(Not(A), B)),
        ("NOT a b", both(Not(A), B)),
        ("-(a b)", Not(both(A, B))),
        ("NOT(a OR b)", Not(either(A, B))),
        ("NOT NOT a", A),
        ("NOT -a", A),
        ("NOT NOT NOT a", Not(A)),
        ("((a))", A),
        (" \t a \r\n b \u00a0", both(A, B)),
        ("a or b", both(A, Contains("or"), B)),
        ("And NOTa", both(Contains("And"), Contains("NOTa"))),
        ('"AND" b', both(Contains("AND"), B)),
        ("component:AND", Name("component", "AND")),
    ],
)
def test_operators(question: str, meaning: Where) -> None:
    assert parsed(question) == meaning


@pytest.mark.parametrize(
    "text",
    [
        *("10.0.0.1:80", "https://example.org/a?b=c", "[::1]:5000", "12:30:05", "a=b", "a->b"),
        *("x=>y", "C:\\temp", "50%", "a_b", "user:7", "level:error", "event:paid", "don't", "a*b"),
        *(
            "*a",
            "data",
            "component",
            "a-b",
            "time:-5",
            "日本:語",
            ":",
            ":a",
            "a:",
            "=",
            "<br>",
            "!",
        ),
        *("metadata.x:5", "uid:7", "date:2021-04-16", "day:5", "x" * MAX_TEXT, "x>", "\\", "&"),
    ],
)
def test_a_word_without_a_field_is_text_with_all_of_its_characters(text: str) -> None:
    assert parsed(text) == Contains(text)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ('"was paid"', "was paid"),
        (r'"say \"hi\""', 'say "hi"'),
        (r'"C:\\temp"', r"C:\temp"),
        (r'"C:\temp\n"', r"C:\temp\n"),
        ('"a\nb"', "a\nb"),
        ('"(a OR -b) c:* d*"', "(a OR -b) c:* d*"),
        ('"component:billing"', "component:billing"),
        ('" a "', " a "),
        ("message:paid", "paid"),
        ("message:component:a", "component:a"),
        ("message:-a", "-a"),
        ('message:"a b"', "a b"),
    ],
)
def test_quotes_make_all_literal_but_a_quote_and_a_backslash(question: str, text: str) -> None:
    assert parsed(question) == Contains(text)


@pytest.mark.parametrize(
    ("question", "meaning"),
    [
        ("component:billing", Name("component", "billing")),
        ("environment:pay-*", Name("environment", "pay-", is_prefix=True)),
        (r"component:pay\*", Name("component", "pay*")),
        (r"component:pay\**", Name("component", "pay*", is_prefix=True)),
        (r"component:a\*b", Name("component", "a*b")),
        (r"component:a\b", Name("component", r"a\b")),
        ('component:"pay*"', Name("component", "pay*")),
        (r'component:"pay\*"', Name("component", r"pay\*")),
        ("component:10.0.0.1:80", Name("component", "10.0.0.1:80")),
        ("email:Jo@Example.org", Email("Jo@Example.org")),
        ("any:Jo", Contains("Jo", anywhere=True)),
        (
            "id:018f0000-0000-7000-8000-000000000001",
            Id(UUID("018f0000-0000-7000-8000-000000000001")),
        ),
        ("email:*", Exists("email")),
        ("occurred_at:*", Exists("occurred_at")),
        ("data.error:*", Exists(("error",))),
        ("-data.error:*", Not(Exists(("error",)))),
        ("message:*", And(())),
        ("component:*", And(())),
        ("id:*", And(())),
    ],
)
def test_fields(question: str, meaning: Where) -> None:
    assert parsed(question) == meaning


@pytest.mark.parametrize(
    ("question", "meaning"),
    [
        ("data.a:5", DataIs(("a",), ('"5"', "5"))),
        ("data.a.b:-5", DataIs(("a", "b"), ('"-5"', "-5"))),
        ("data.a:gold", DataIs(("a",), ('"gold"',))),
        ("data.a:null", DataIs(("a",), ('"null"', "null"))),
        ("data.a:007", DataIs(("a",), ('"007"',))),
        ('data.a:"5"', DataIs(("a",), ('"5"',))),
        ('data.a:""', DataIs(("a",), ('""',))),
        ('data.a:"*"', DataIs(("a",), ('"*"',))),
        ('data."first name"."a.b".c:x', DataIs(("first name", "a.b", "c"), ('"x"',))),
        (r'data."a\"b":x', DataIs(('a"b',), ('"x"',))),
        ('data."".a:x', DataIs(("", "a"), ('"x"',))),
        ("data.a:1.10", DataIs(("a",), ('"1.10"', "1.10"))),
        (
            "data.a:(-5 OR NOT 5 OR -b)",
            either(
                DataIs(("a",), ('"-5"', "-5")),
                Not(DataIs(("a",), ('"5"', "5"))),
                Not(DataIs(("a",), ('"b"',))),
            ),
        ),
        ("data.a:(b c)", both(DataIs(("a",), ('"b"',)), DataIs(("a",), ('"c"',)))),
    ],
)
def test_values_in_data(question: str, meaning: Where) -> None:
    assert parsed(question) == meaning


@pytest.mark.parametrize(
    ("question", "bound"),
    [
        ("data.a>100", Decimal(100)),
        ("data.a > 100", Decimal(100)),
        ("data.a> -1.50", Decimal("-1.50")),
        ("data.a>1e3", Decimal("1E+3")),
        (
            "data.a>12345678901234567890.000000000000000001",
            Decimal("12345678901234567890.000000000000000001"),
        ),
        ('data.a>"100"', "100"),
        ("data.a>2026-01-02", "2026-01-02"),
        ("data.a>1.2.3", "1.2.3"),
        ("data.a>abc", "abc"),
        ("data.a>true", "true"),
    ],
)
def test_a_bound_is_an_exact_number_or_a_text(question: str, bound: Decimal | str) -> None:
    found = parsed(question)
    assert isinstance(found, DataCompares)
    assert (found.path, found.comparison) == (("a",), ">")
    assert repr(found.bound) == repr(bound)


@pytest.mark.parametrize(
    ("question", "comparisons"),
    [
        ("occurred_at>2021-04-16T12:00Z", [(">", NOON)]),
        ("occurred_at >= 2021-04-16T14:00+02:00", [(">=", NOON)]),
        ('occurred_at<"2021-04-16 12:00"', [("<", NOON)]),
        ("occurred_at<=1618574400", [("<=", NOON)]),
        ("occurred_at>2021-04-16", [(">=", NEXT_DAY)]),
        ("occurred_at>=2021-04-16", [(">=", DAY)]),
        ("occurred_at<2021-04-16", [("<", DAY)]),
        ("occurred_at<=04-16-2021", [("<", NEXT_DAY)]),
        ("occurred_at>-24h", [(">", MINUTE - timedelta(days=1))]),
        ("occurred_at>= -15m", [(">=", MINUTE - timedelta(minutes=15))]),
        ("occurred_at<=now", [("<=", MINUTE)]),
        ("occurred_at:2021-04-16", [(">=", DAY), ("<", NEXT_DAY)]),
        ("occurred_at:2021-04-16T12:00Z", [(">=", NOON), ("<=", NOON)]),
    ],
)
def test_occurred_at_is_compared_with_an_instant_or_a_whole_day(
    question: str, comparisons: list[tuple[str, datetime]]
) -> None:
    found = parsed(question)
    parts = found.parts if isinstance(found, And) else (found,)
    assert [
        (part.comparison, part.bound) for part in parts if isinstance(part, OccurredCompares)
    ] == (comparisons)


@pytest.mark.parametrize(
    ("question", "meaning"),
    [
        (
            "component:(a* AND NOT (ab* OR ac))",
            both(
                Name("component", "a", is_prefix=True),
                Not(either(Name("component", "ab", is_prefix=True), Name("component", "ac"))),
            ),
        ),
        (
            "component:(a* -ab*)",
            both(Name("component", "a", True), Not(Name("component", "ab", True))),
        ),
        ("message:(a b)", both(A, B)),
        ("message:(user:7)", Contains("user:7")),
        ("component:(componnet:a)", Name("component", "componnet:a")),
        ("any:(a OR b)", either(Contains("a", True), Contains("b", True))),
        ("-email:(a OR b) c", both(Not(either(Email("a"), Email("b"))), C)),
        ("email:(* OR a)", either(Exists("email"), Email("a"))),
    ],
)
def test_a_field_before_parentheses_holds_for_each_text_in_them(
    question: str, meaning: Where
) -> None:
    assert parsed(question) == meaning


def test_what_is_at_the_bounds_is_taken() -> None:
    assert parsed("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH) == A
    assert parsed("NOT " * 500 + "a") == A
    assert parsed(" ".join("a" * 50)) == both(*[A] * 50)
    assert parsed("a" + " " * (MAX_QUESTION - 1)) == A
