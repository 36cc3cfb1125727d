"""The tags of a page prove it unchanged: every event that it may show has one of them."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storage.cache import tags
from storage.model.filters import DECLARATIONS, Filters
from storage.model.name_limits import NameLimits
from tests.support.matching import matches
from tests.support.reading import made
from tests.support.trees import trees

TEXTS = ["orders", "Orders", "jo@example.com", "Jo@EXAMPLE.com", "é"]
A_TEXT = st.sampled_from(TEXTS)
EVENTS = st.builds(
    made,
    ms=st.just(1),
    component=A_TEXT,
    environment=A_TEXT,
    message=A_TEXT,
    email=st.none() | A_TEXT,
    data=st.sampled_from(["null", '{"n":1}']),
)


def texts_of_every_filter() -> st.SearchStrategy[Filters]:
    """Return filters of every field that takes texts, those too that nobody has thought of yet."""
    kinds = {
        name: each.parameters[0].kind if each.parameters else "patterns"
        for name, each in DECLARATIONS.items()
    }
    names = [name for name, kind in kinds.items() if kind in ("text", "patterns")]
    some = st.lists(A_TEXT, max_size=2).map(tuple)
    fields: dict[str, Any] = {name: st.just(()) | some for name in names}
    fields["where"] = st.none() | trees(A_TEXT)
    return st.builds(Filters, **fields, data=st.just(()) | st.just((('{"n":1}',),)))


@given(texts_of_every_filter(), EVENTS)
def test_an_event_that_matches_has_a_tag_of_the_page(filters: Filters, event: Any) -> None:
    if matches(event, filters):
        assert set(tags.of_page(filters)) & tags.of_events([event])


A_PATTERN = st.builds("{}{}".format, A_TEXT, st.sampled_from(["", "*"]))
LIMITS = st.builds(NameLimits.of, st.lists(A_PATTERN, max_size=2), st.lists(A_PATTERN, max_size=2))


@given(texts_of_every_filter(), LIMITS, EVENTS)
def test_with_limits_only_what_a_client_may_see_changes_its_page_or_everything_does(
    filters: Filters, limits: NameLimits | None, event: Any
) -> None:
    if limits is None:
        return
    narrowed = limits.narrow(filters)
    of_page = tags.of_page_within(narrowed, limits)
    is_changed = bool(set(of_page) & tags.of_events([event]))
    if limits.admits(event):
        assert is_changed or not matches(event, narrowed)
    else:
        assert of_page == [tags.ALL] or not is_changed


def test_the_most_selective_filter_tells_the_tags() -> None:
    everything: dict[str, Any] = {
        "component": ("orders",),
        "environment": ("production",),
        "email": ("a@b.c",),
    }
    assert tags.of_page(Filters(**everything)) == tags.of_page(Filters(email=("A@B.c",)))
    del everything["email"]
    assert tags.of_page(Filters(**everything)) == tags.of_page(Filters(component=("orders",)))
    assert tags.of_page(Filters(message=("orders",))) == ["all"] == tags.of_page(Filters())


def test_tags_are_bounded_whatever_values_come() -> None:
    many = [made(1, f"c{n}", f"e{n}", email=f"{n}@a.b") for n in range(5000)]
    assert len(tags.of_events(many)) <= 3 * tags.TAGS + 1
