"""The page on a phone."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from testbed.service import Service
from tests.browser.explorer import Explorer
from tests.support.watched_page import PHONE, watched_page


@pytest.fixture
def phone(browser: Browser, running: Service) -> Iterator[Explorer]:
    with watched_page(browser, running.url, **PHONE) as watched:
        yield Explorer(watched)


def is_within_the_screen(phone: Explorer) -> bool:
    return bool(phone.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"))


def test_times_are_short_and_nothing_is_wider_than_the_screen(phone: Explorer) -> None:
    phone.open(**{"from": "-8d", "q": "component:billing"})
    assert is_within_the_screen(phone)
    expect(phone.cell(0, 0)).to_have_text(re.compile(r"^\S{5,12}( \S+)?$"))
    assert len(phone.cell(0, 0).inner_text()) < len("2026-11-28 23:28:36.885")


def test_the_detail_lies_over_the_table_and_back_closes_it(phone: Explorer) -> None:
    phone.open(**{"from": "-8d", "q": "component:billing"})
    phone.rows.nth(2).tap()
    expect(phone.detail).to_contain_text("stored: in PostgreSQL")
    box = phone.detail.bounding_box()
    assert box is not None
    assert box["width"] > 300
    assert is_within_the_screen(phone)
    phone.page.go_back()
    expect(phone.detail).to_have_count(0)
    expect(phone.rows.first).to_be_visible()


def test_facets_open_over_the_table(phone: Explorer) -> None:
    phone.open(**{"from": "-8d"})
    phone.page.get_by_role("button", name="Filter", exact=True).tap()
    phone.only("component", "auth").tap()
    phone.expect_view(q="component:auth")
    phone.page.get_by_role("button", name="Done").tap()
    expect(phone.cell(0, 1)).to_have_text("auth")
    assert is_within_the_screen(phone)
