"""axe finds no fault, contrast (AA) included, in any look of the page."""

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
LOOKS_AT_MOST = 4  # the page may have asked again meanwhile
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
    """Return what axe finds while nothing on the page is out of date, and so faint."""
    faint = explorer.page.locator("[aria-busy=true], .old, .outdated")
    for _ in range(LOOKS_AT_MOST):
        expect(faint).to_have_count(0)
        faults = axe_faults(explorer.page)
        if not faults:
            break
    return faults
