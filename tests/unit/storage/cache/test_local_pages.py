"""The local page cache keeps the most recently used bodies, as many as fit."""

from storage.cache.local_pages import LocalPageCache
from storage.model.cached_page import CachedPage


def page(size: int) -> CachedPage:
    return CachedPage(b"x" * size, b'"t"')


def test_what_was_used_longest_ago_is_given_up_first() -> None:
    pages = LocalPageCache(max_bytes=10)
    pages.put("a", page(4))
    pages.put("b", page(4))
    assert pages.get("a") == page(4)
    pages.put("c", page(4))
    assert pages.get("b") is None
    assert (pages.get("a"), pages.get("c")) == (page(4), page(4))


def test_a_page_takes_the_place_of_the_one_before() -> None:
    pages = LocalPageCache(max_bytes=10)
    for _ in range(5):
        pages.put("a", page(9))
    pages.put("a", page(4))
    pages.put("b", page(6))
    assert (pages.get("a"), pages.get("b")) == (page(4), page(6))


def test_a_page_larger_than_all_of_it_is_not_held() -> None:
    pages = LocalPageCache(max_bytes=10)
    pages.put("a", page(11))
    assert pages.get("a") is None
    pages.put("b", page(10))
    assert pages.get("b") == page(10)


def test_nothing_is_held_once_it_is_cleared() -> None:
    pages = LocalPageCache(max_bytes=10)
    pages.put("a", page(9))
    pages.clear()
    assert pages.get("a") is None
    pages.put("b", page(10))
    assert pages.get("b") == page(10)
