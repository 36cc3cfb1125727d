"""Held bodies: the latest used ones, as many as fit."""

from storage.cache.local_pages import LocalPageCache
from storage.model.cached_page import CachedPage


def page(size: int) -> CachedPage:
    return CachedPage(b"x" * size, b'"t"')


def test_what_was_used_longest_ago_is_given_up_first() -> None:
    held = LocalPageCache(most=10)
    held.put("a", page(4))
    held.put("b", page(4))
    assert held.get("a") == page(4)
    held.put("c", page(4))
    assert held.get("b") is None
    assert (held.get("a"), held.get("c")) == (page(4), page(4))


def test_a_page_takes_the_place_of_the_one_before() -> None:
    held = LocalPageCache(most=10)
    for _ in range(5):
        held.put("a", page(9))
    held.put("a", page(4))
    held.put("b", page(6))
    assert (held.get("a"), held.get("b")) == (page(4), page(6))


def test_a_page_larger_than_all_of_it_is_not_held() -> None:
    held = LocalPageCache(most=10)
    held.put("a", page(11))
    assert held.get("a") is None
    held.put("b", page(10))
    assert held.get("b") == page(10)


def test_nothing_is_held_once_it_is_cleared() -> None:
    held = LocalPageCache(most=10)
    held.put("a", page(9))
    held.clear()
    assert held.get("a") is None
    held.put("b", page(10))
    assert held.get("b") == page(10)
