"""Provide a service with a history, a browser, and pages in which nothing forbidden happens."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from testbed.chromium import INSTALL, chromium, chromium_path
from testbed.servers import TestServers
from testbed.service import Service, service
from tests.browser.explorer import Explorer
from tests.browser.history import load
from tests.support.watched_page import Watched, watched_page


@pytest.fixture(scope="package")
def chromium_at() -> str:
    """Return where the browser is, or skip the tests."""
    path = chromium_path()
    if path is None:
        pytest.skip(f"no Chromium: {INSTALL}")
    return path


@pytest.fixture(scope="package")
def running(chromium_at: str, servers: TestServers) -> Iterator[Service]:
    """Run one service with 200,000 events for all modules: a test uses names of its own.

    It is open, so that keys which a test puts on the queue close it to no other test.
    """
    with (
        servers.fresh() as settings,
        service(settings, auth="open", cache_grace_ms=0) as started,
    ):
        load(started)
        yield started


@pytest.fixture(scope="module")
def browser(chromium_at: str) -> Iterator[Browser]:
    """Run the browser for a module."""
    with chromium(chromium_at) as started:
        yield started


@pytest.fixture
def watched(browser: Browser, running: Service) -> Iterator[Watched]:
    """Open an empty page, which has no fault at the end of the test.

    While the machine is busy a server may be late, and a probe says so: the browser logs that.
    """
    with watched_page(browser, running.url) as page:
        page.allowed = ["/health/ready?for="]
        yield page


@pytest.fixture
def explorer(watched: Watched) -> Explorer:
    """Return a page object of the empty page."""
    return Explorer(watched)


@pytest.fixture
def page(watched: Watched) -> Page:
    """Return the empty page."""
    return watched.page
