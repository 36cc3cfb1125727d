"""Pages of these tests notice what may not happen in them: else they would hold nothing."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from testbed.waiting import wait_until
from tests.support.watched_page import Watched

PAGE = "/"


def markup(page: Page) -> None:
    page.evaluate("() => { try { document.body.innerHTML = '<b>bold</b>'; } catch { return; } }")


def inline_style(page: Page) -> None:
    page.evaluate("() => document.body.setAttribute('style', 'color: red')")


def foreign(page: Page) -> None:
    page.evaluate("() => void fetch('http://localhost:9/').catch(() => {})")


def image(page: Page) -> None:
    page.evaluate("() => { new Image().src = 'http://localhost:9/pixel.png'; }")


def error(page: Page) -> None:
    page.evaluate("() => void setTimeout(() => { throw new Error('broken'); })")


def rejection(page: Page) -> None:
    page.evaluate("() => void Promise.reject(new Error('broken promise'))")


def log(page: Page) -> None:
    page.evaluate("() => console.error('something')")


def missing(page: Page) -> None:
    page.evaluate("() => void fetch('/nothing-is-here')")


@pytest.mark.parametrize(
    ("act", "fault"),
    [
        (markup, "policy: require-trusted-types-for"),
        (inline_style, "policy: style-src-attr"),
        (foreign, "policy: connect-src http://localhost:9/"),
        (image, "policy: img-src http://localhost:9/pixel.png"),
        (error, "error: broken"),
        (rejection, "error: broken promise"),
        (log, "console error: something"),
        (missing, "console error: Failed to load resource"),
    ],
)
def test_what_may_not_happen_is_noticed(
    watched: Watched, act: Callable[[Page], None], fault: str
) -> None:
    watched.allowed = [""]
    watched.page.goto(PAGE)
    assert not watched.faults
    act(watched.page)

    def noticed() -> bool:
        watched.page.title()  # lets the events of the page in
        return any(found.startswith(fault) for found in watched.faults)

    wait_until(noticed, f"a fault: {fault}")
