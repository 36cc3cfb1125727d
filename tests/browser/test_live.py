"""Follow new events in the page: rate, pause, what waits, a restart, and figures that agree."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from playwright.sync_api import Locator, expect

from testbed.service import Service
from testbed.waiting import wait_until
from tests.browser.explorer import Explorer

MOST = 700  # events, so that the page loads all of them by itself


@contextmanager
def pouring(running: Service, component: str) -> Iterator[list[str]]:
    """Post events all the time; the list has the ids of those that were acknowledged."""
    stop = threading.Event()
    acknowledged: list[str] = []

    def pour() -> None:
        with httpx.Client(base_url=running.url, timeout=60, trust_env=False) as http:
            while not stop.wait(0.05) and len(acknowledged) < MOST:
                number = len(acknowledged)
                event = {"component": component, "environment": f"e{number % 3}"}
                answer = http.post("/events", json={**event, "message": f"drop {number}"})
                if answer.status_code == 202:
                    acknowledged.append(answer.json()["id"])

    thread = threading.Thread(target=pour)
    thread.start()
    try:
        yield acknowledged
    finally:
        stop.set()
        thread.join(60)


def number(text: str | None) -> int:
    return int(re.sub(r"\D", "", text or "") or 0)


def numbers(locator: Locator) -> list[int]:
    return [number(text) for text in locator.all_inner_texts()]


def test_bars_total_facets_and_rows_agree_while_events_pour_in(
    explorer: Explorer, running: Service
) -> None:
    with pouring(running, "pouring") as acknowledged:
        wait_until(lambda: len(acknowledged) > 20, "the first events")
        explorer.open(**{"from": "-1h", "q": "component:pouring", "group": "environment"})
        for _ in range(5):
            assert_agreement(explorer)
            wait_for_more(explorer, acknowledged, len(acknowledged))
        assert_agreement(explorer)


def wait_for_more(explorer: Explorer, acknowledged: list[str], seen: int) -> None:
    """Wait until more events are there than were seen, and let the page show them."""
    wait_until(lambda: len(acknowledged) >= seen + 10, "more events")
    explorer.page.get_by_title("show what came since").click()
    wait_until(lambda: total(explorer) >= seen, "the new moment")


def total(explorer: Explorer) -> int:
    return number(explorer.total.inner_text())


def assert_agreement(explorer: Explorer) -> None:
    """Assert that all figures of the page are those of the same events."""
    expect(explorer.page.locator("[aria-busy=true], .old, .outdated")).to_have_count(0)
    expect(explorer.grid).not_to_have_attribute("aria-rowcount", "-1")
    count = total(explorer)
    assert count > 0
    rows = int(explorer.grid.get_attribute("aria-rowcount") or 0) - 1
    legend = explorer.page.locator(".legend button")
    bars = sum(number(each.get_attribute("title")) for each in legend.all())
    facets = [
        sum(numbers(explorer.facet(field).locator(".count")))
        for field in ("component", "environment")
    ]
    assert [rows, bars, *facets] == [count] * 4


def test_new_events_appear_by_themselves_and_none_is_missed_over_a_restart(
    explorer: Explorer, running: Service
) -> None:
    explorer.watched.allowed += ["ERR_", "status of 5"]  # while no process listens
    explorer.open(**{"from": "-1h", "q": "component:restarted"})
    explorer.page.get_by_role("button", name="Live").click()
    live = explorer.page.get_by_role("group", name="Live")
    expect(live).to_contain_text("live")
    before = [running.post(component="restarted", environment="e", message=f"{n}") for n in (1, 2)]
    expect(explorer.rows).to_have_count(2)
    restart(running)
    after = [running.post(component="restarted", environment="e", message=f"{n}") for n in (3, 4)]
    expect(explorer.rows).to_have_count(4)
    shown = [row.get_attribute("id") for row in explorer.rows.all()]
    assert shown == [f"row-{event['id']}" for event in reversed([*before, *after])]
    expect(live.locator(".live-state")).to_have_text("live")


def restart(running: Service) -> None:
    """Stop the API process, and start another one."""
    running.http.close()
    [api] = running.apis
    api.terminate()
    assert api.wait(60) is not None
    running.apis.clear()
    running.start_api()
    running.http = httpx.Client(base_url=running.url, timeout=120, trust_env=False)
    wait_until(lambda: running.answers("/health/ready"), "the API to be ready")


def test_a_pause_keeps_the_rows_and_tells_what_waits(explorer: Explorer, running: Service) -> None:
    explorer.open(**{"from": "-1h", "q": "component:paused", "live": "true"})
    live = explorer.page.get_by_role("group", name="Live")
    running.post(component="paused", environment="e", message="before")
    expect(explorer.rows).to_have_count(1)
    live.get_by_role("button", name="Pause").click()
    expect(live).to_contain_text("paused")
    for n in range(3):
        running.post(component="paused", environment="e", message=f"{n}")
    waiting = explorer.page.get_by_role("button", name=re.compile("^3 new"))
    expect(waiting).to_be_visible()
    expect(explorer.rows).to_have_count(1)
    waiting.click()
    expect(explorer.rows).to_have_count(4)
    live.get_by_role("button", name="Go on").click()
    live.get_by_role("button", name="End").click()
    expect(live).to_have_count(0)
