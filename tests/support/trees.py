"""Random trees of a question."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

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
    Or,
    Where,
)


def trees(text: st.SearchStrategy[str]) -> st.SearchStrategy[Where]:
    """Return trees whose names, emails and searched texts are these."""
    path = st.sampled_from([("n",), ("n", "m")])
    term: st.SearchStrategy[Any] = st.one_of(
        st.builds(Name, st.sampled_from(["component", "environment"]), text, st.booleans()),
        st.builds(Email, text),
        st.builds(Contains, text, st.booleans()),
        st.builds(Id, st.sampled_from([UUID(int=1), UUID(int=2)])),
        st.builds(Exists, st.just("email") | path),
        st.builds(DataIs, path, st.sampled_from([("1",), ('"1"', "1"), ("1", '"1"')])),
        st.builds(DataCompares, path, st.sampled_from(["<", ">="]), st.sampled_from(BOUNDS)),
    )
    return st.recursive(
        term,
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.builds(And, st.lists(inner, max_size=3).map(tuple)),
            st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
        ),
        max_leaves=6,
    )


BOUNDS = [Decimal("1"), Decimal("1.0"), Decimal("1e3"), "1"]
