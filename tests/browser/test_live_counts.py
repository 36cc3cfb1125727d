"""While the view is live, the counts of values say which live events they lack."""

import re

from playwright.sync_api import expect

from testbed.service import Service
from testbed.waiting import wait_until
from tests.browser.explorer import Explorer


def numbers_of(texts: list[str]) -> list[int]:
    return [int(re.sub(r"\D", "", text) or 0) for text in texts]


def test_the_counts_and_the_live_events_add_up_to_the_total(
    explorer: Explorer, running: Service
) -> None:
    event = {"component": "counted-live", "environment": "e", "message": "a live one"}
    assert running.http.post("/events", json=event).status_code == 202
    note = explorer.page.get_by_role("note")
    counts = explorer.facet("component").locator(".count")

    def figures() -> tuple[int, int, int]:
        total = sum(numbers_of(explorer.total.all_inner_texts()))
        live = sum(numbers_of(note.all_inner_texts()))
        return total, sum(numbers_of(counts.all_inner_texts())), live

    explorer.open(**{"from": "-1h", "q": "component:counted-live", "live": "true"})
    expect(explorer.page.locator(".live-state.good")).to_be_visible()
    wait_until(lambda: figures() == (1, 1, 0), "the event before")
    for _ in range(3):
        assert running.http.post("/events", json=event).status_code == 202
    expect(explorer.rows).to_have_count(4)
    wait_until(lambda: figures() in {(4, 1, 3), (4, 4, 0)}, "figures that add up", 60)
    explorer.page.get_by_title("show what came since").click()
    wait_until(lambda: figures() == (4, 4, 0), "all to be counted", 60)
