"""Parts of the page that are loaded when they are opened: what is said if they can't be."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.explorer import Explorer
from tests.support.watched_page import Watched

FAILED = "This part of the page could not be loaded"
# How a part is opened, which file it needs, and what shows that it is there.
PARTS = [
    pytest.param(
        "?panel=export", "export/export_panel.js", "Choose a file and export", id="script"
    ),
    pytest.param("?panel=export", "export/export.css", "Choose a file and export", id="styles"),
    pytest.param("?panel=views", "shared.js", "Save", id="shared script"),
    pytest.param("?page=operator", "operator/operator.js", None, id="page"),
]


def gone(route: Route) -> None:
    """Answer as a service of a newer version does."""
    route.fulfill(status=404, json={"title": "Not Found", "status": 404})


@pytest.mark.parametrize(("address", "file", "button"), PARTS)
def test_a_part_that_is_no_longer_there_says_so_and_a_reload_mends_it(
    watched: Watched, address: str, file: str, button: str | None
) -> None:
    watched.allowed += ["404"]
    page = watched.page
    pattern = re.compile(rf"/explorer/.*/{re.escape(file)}$")
    page.route(pattern, gone)
    page.goto(f"/{address}")
    alert = page.get_by_role("alert").filter(has_text=FAILED)
    expect(alert).to_contain_text("The service was updated")
    page.unroute(pattern, gone)
    alert.get_by_role("button", name="Reload the page").click()
    expect(alert).to_have_count(0)
    shown = (
        page.get_by_role("button", name=button, exact=True)
        if button
        else page.get_by_role("heading", name="Shards")
    )
    expect(shown).to_be_visible()


def test_a_part_that_fails_leaves_the_others(explorer: Explorer, page: Page) -> None:
    explorer.watched.allowed += ["404"]
    page.route(re.compile(r"/detail/detail\.js$"), gone)
    explorer.open(**{"from": "-8d", "q": "component:billing"})
    explorer.rows.first.click()
    expect(explorer.detail.get_by_role("alert")).to_contain_text(FAILED)
    explorer.ask("component:checkout")
    expect(explorer.rows.first).to_contain_text("checkout")


def test_without_a_connection_the_page_is_kept_until_the_service_answers(
    explorer: Explorer, page: Page
) -> None:
    explorer.watched.allowed += ["ERR_INTERNET_DISCONNECTED"]
    explorer.open(**{"from": "-8d", "q": "component:billing"})
    page.context.set_offline(True)
    page.get_by_role("button", name="Export").click()
    alert = page.get_by_role("dialog").get_by_role("alert").filter(has_text=FAILED)
    alert.get_by_role("button", name="Reload the page").click()
    expect(alert).to_contain_text("can't be reached yet")
    page.context.set_offline(False)
    alert.get_by_role("button", name="Reload the page").click()
    expect(page.get_by_role("button", name="Choose a file and export")).to_be_visible()
    explorer.expect_view(q="component:billing", panel="export")


def test_nothing_is_loaded_before_it_is_opened(watched: Watched, explorer: Explorer) -> None:
    explorer.open(**{"from": "-1h"})
    files = {url.partition("/explorer/")[2].partition("/")[2] for url in watched.requested}
    ours = {file for file in files if file and not file.startswith("vendor/")}
    assert ours == {"app.js", "styles.css", "icon.svg"}
