"""Patterns of names, and the limits of a key: a narrowed question asks for no other event."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from storage.access.api_key import admits
from storage.cache import tags
from storage.model.event import Event
from storage.model.filters import Filters, digest
from storage.model.name_limits import NameLimits
from storage.model.name_patterns import matches, simplify
from tests.support.matching import matches as matches_filters
from tests.support.queued import make_event

NAMES = st.text("ab-*%_é\U0010ffff", min_size=1, max_size=3)
PATTERNS = st.lists(NAMES | NAMES.map(lambda name: name + "*") | st.just("*"), max_size=3)
SOME = st.lists(NAMES, max_size=2).map(tuple)
LIMITS = st.builds(NameLimits.of, PATTERNS, PATTERNS)
EVENTS = st.builds(
    lambda component, environment: structs.replace(
        make_event(), component=component, environment=environment
    ),
    NAMES,
    NAMES,
)


@given(PATTERNS, NAMES)
def test_the_canonical_form_matches_the_same_names(patterns: list[str], name: str) -> None:
    assert matches(simplify(patterns), name) == admits(tuple(patterns), name)
    assert simplify(simplify(patterns)) == simplify(patterns)


def test_a_pattern_within_another_is_left_out() -> None:
    assert simplify(["pay-a", "pay-*", "pay-b*", "web", "web"]) == ("pay-*", "web")
    assert simplify(["web", "*"]) == ()


@given(LIMITS, EVENTS, SOME, SOME, SOME)
def test_a_narrowed_question_finds_what_is_asked_and_admitted(
    limits: NameLimits | None,
    event: Event,
    component: tuple[str, ...],
    environment: tuple[str, ...],
    not_component: tuple[str, ...],
) -> None:
    asked = Filters(component=component, environment=environment, not_component=not_component)
    narrowed = limits.narrow(asked) if limits else asked
    admitted = limits is None or limits.admits(event)
    assert matches_filters(event, narrowed) == (matches_filters(event, asked) and admitted)


def test_limits_that_are_names_use_the_tags_of_these_names() -> None:
    limits = NameLimits.of(["a", "b"], [])
    assert limits
    narrowed = limits.narrow(Filters())
    assert narrowed == Filters(component=("a", "b"))
    assert tags.of_page(narrowed) == tags.of_page(Filters(component=("a", "b")))


def test_limits_with_a_prefix_are_proved_by_every_change() -> None:
    limits = NameLimits.of(["a", "pay-*"], [])
    assert limits
    assert tags.of_page(limits.narrow(Filters())) == [tags.ALL]
    assert limits.narrow(Filters(component=("pay-1", "b"))) == Filters(component=("pay-1",))


def test_each_limit_gives_a_cache_key_of_its_own() -> None:
    limited = [(), ("a*",), ("b*",), ("a*", "b")]
    keys = {digest(Filters(within_component=one)) for one in limited}
    keys |= {digest(Filters(within_environment=one)) for one in limited}
    assert len(keys) == 2 * len(limited) - 1


def test_a_question_for_nothing_that_is_admitted_finds_nothing() -> None:
    limits = NameLimits.of(["a"], [])
    assert limits
    narrowed = limits.narrow(Filters(component=("b",)))
    assert dataclasses.replace(narrowed, within_component=()) == Filters(component=("b",))
    assert not any(matches_filters(make_event(component=name), narrowed) for name in "ab")
