"""axe finds no fault, contrast (AA) included, in any look of the page."""

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from testbed.service import Service
from tests.browser.explorer import Explorer
from tests.support.axe import axe_faults, require_axe
from tests.support.watched_page import PHONE, watched_page

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": PHONE,
    "phone, dark": {**PHONE, "color_scheme": "dark"},
}
PANELS = ("around", "person", "export", "views", "facets")


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_no_fault(browser: Browser, running: Service, look: str) -> None:
    require_axe()
    event = running.events(q="component:billing data.customer.tier:gold email:*", limit=1)[0]
    with watched_page(browser, running.url, bypass_csp=True, **LOOKS[look]) as watched:
        explorer = Explorer(watched)
        asked = {"from": "-8d", "q": "component:(billing OR checkout) -environment:qa"}
        explorer.open(**asked, group="component")
        faults = [faults_of(explorer)]
        explorer.open(**asked, event=event["id"], live="true")
        expect(explorer.detail).to_contain_text("stored: in PostgreSQL")
        faults.append(faults_of(explorer))
        for panel in PANELS:
            explorer.page.goto(f"/?from=-8d&event={event['id']}&panel={panel}")
            explorer.settle()
            faults.append(faults_of(explorer))
        explorer.page.goto("/?page=operator")
        expect(explorer.page.get_by_role("heading", name="Shards")).to_be_visible()
        expect(explorer.page.get_by_text("Asking …")).to_have_count(0)
        faults.append(faults_of(explorer))
    found = "\n".join(dict.fromkeys("\n".join(faults).splitlines()))
    assert not found.strip(), found


def faults_of(explorer: Explorer) -> str:
    """Return what axe finds, also if the page asks again meanwhile."""
    expect(explorer.page.locator(".loading")).to_have_count(0)
    return axe_faults(explorer.page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault_while_all_is_out_of_date(
    browser: Browser, running: Service, scheme: str
) -> None:
    require_axe()
    with watched_page(browser, running.url, bypass_csp=True, color_scheme=scheme) as watched:
        explorer = Explorer(watched)
        event = running.events(q="component:billing", limit=1)[0]
        explorer.open(**{"from": "-8d", "q": "component:billing"}, event=event["id"], find="a")
        expect(explorer.detail).to_contain_text("stored: in PostgreSQL")
        watched.page.route(re.compile(r"/events(/stats|/facets)?\?"), lambda _: None)
        explorer.question.fill("component:billing environment:prod")
        explorer.question.press("Enter")
        expect(watched.page.locator(".summary.old, .grid.outdated")).to_have_count(2)
        faults = faults_of(explorer)
        watched.page.unroute_all(behavior="ignoreErrors")
    assert not faults, faults
