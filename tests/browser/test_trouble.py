"""What the page says when something is wrong: each panel alone, banners, and no result."""

import re
import signal

from playwright.sync_api import Page, Route, expect

from testbed.service import Service
from tests.browser.explorer import Explorer

PROBLEM = {
    "type": "about:blank",
    "title": "Service Unavailable",
    "status": 503,
    "detail": "The counts can't be read now.",
}


def fail(page: Page, path: str) -> None:
    def answer(route: Route) -> None:
        route.fulfill(status=503, json=PROBLEM, content_type="application/problem+json")

    page.route(re.compile(rf"{path}(\?|$)"), answer)


def test_a_panel_fails_alone_and_goes_on_when_asked_again(explorer: Explorer) -> None:
    explorer.watched.allowed += ["status of 503"]
    fail(explorer.page, "/events/facets")
    explorer.open(**{"from": "-8d"})
    facets = explorer.page.get_by_role("region", name="facets")
    expect(facets.get_by_text("The counts can't be read now.").first).to_be_visible()
    expect(explorer.rows.first).to_be_visible()
    explorer.page.unroute_all()
    facets.get_by_role("button", name=re.compile("again", re.IGNORECASE)).first.click()
    expect(explorer.only("component", "checkout")).to_be_visible()


def test_a_figure_of_one_question_never_stands_beside_another(explorer: Explorer) -> None:
    explorer.watched.allowed += ["status of 503"]
    explorer.open(**{"from": "-8d"})
    held: list[Route] = []
    explorer.page.route(re.compile(r"/events/stats\?"), lambda route: held.append(route))
    explorer.question.fill("component:billing")
    explorer.question.press("Enter")
    expect(explorer.summary).to_contain_text("asking …")
    explorer.expect_no_figures()
    for route in held:
        route.continue_()
    explorer.page.unroute_all()
    explorer.settle()
    expect(explorer.summary).not_to_contain_text("asking")
    fail(explorer.page, "/events/stats")
    explorer.question.fill("component:auth")
    explorer.question.press("Enter")
    expect(explorer.page.get_by_role("region", name="histogram")).to_contain_text("read now")
    explorer.expect_no_figures()


def test_a_lag_is_told_by_a_banner(explorer: Explorer, running: Service) -> None:
    explorer.open(**{"from": "-8d"})
    [worker] = running.workers
    worker.send_signal(signal.SIGSTOP)
    try:
        running.post(component="late", environment="e", message="waits")
        banner = explorer.page.locator(".banner")
        expect(banner.first).to_contain_text(re.compile("lags|paused"))
    finally:
        worker.send_signal(signal.SIGCONT)
    expect(banner).to_have_count(0)


def test_no_result_says_what_to_widen(explorer: Explorer) -> None:
    explorer.open(**{"from": "-1h", "q": "component:nobody-has-this-name"})
    rows = explorer.page.get_by_role("region", name="rows")
    wider = rows.get_by_role("button").filter(has_text=re.compile("d|all|time", re.IGNORECASE))
    expect(wider.first).to_be_visible()
    explorer.expect_total(0)
