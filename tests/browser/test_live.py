"""Follow new events in the page: rate, pause, what waits, a restart, and figures that agree."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlsplit

import httpx
from playwright.sync_api import Locator, expect

from testbed.service import Service
from testbed.waiting import wait_until
from tests.browser.explorer import Explorer
from tests.support.erasing import supervised

Q = "component:pouring"
BATCH = 25  # events, each 0.05 s at most: some hundred in a second
READINGS = 6
_COUNTING = re.compile("still counting|so far, back to")  # where the machine is busy
_PARTLY = re.compile("^Since .* only$")  # where it is so busy that counting does not get further


@contextmanager
def pouring(running: Service) -> Iterator[list[str]]:
    """Post events all the time; the list has the ids of those that were acknowledged."""
    stop = threading.Event()
    acknowledged: list[str] = []
    headers = {"content-type": "application/x-ndjson"}

    def pour() -> None:
        with httpx.Client(base_url=running.url, timeout=60, trust_env=False) as http:
            while not stop.wait(0.05):
                lines = "\n".join(batch_of(len(acknowledged)))
                answer = http.post("/events/batch", content=lines, headers=headers)
                if answer.status_code == 202:
                    acknowledged.extend(one["id"] for one in answer.json()["results"])

    thread = threading.Thread(target=pour)
    thread.start()
    try:
        yield acknowledged
    finally:
        stop.set()
        thread.join(120)


def batch_of(first: int) -> Iterator[str]:
    for number in range(first, first + BATCH):
        event = {"component": "pouring", "environment": f"e{number % 3}"}
        yield json.dumps({**event, "message": f"drop {number}"})


def number(text: str | None) -> int:
    return int(re.sub(r"\D", "", text or "") or 0)


def numbers(locator: Locator) -> list[int]:
    return [number(text) for text in locator.all_inner_texts()]


def test_bars_total_facets_and_rows_agree_while_events_pour_in(
    explorer: Explorer, running: Service
) -> None:
    with pouring(running) as acknowledged:
        wait_until(lambda: len(acknowledged) > BATCH, "the first events")
        explorer.open(**{"from": "-1h", "q": Q, "group": "environment"})
        for _ in range(READINGS):
            before = len(acknowledged)
            show(explorer, before)
            assert assert_agreement(explorer, running) >= before
    show(explorer, len(acknowledged))
    assert assert_agreement(explorer, running) == len(acknowledged)


def show(explorer: Explorer, least: int) -> None:
    """Refresh until so many events are shown: a moment is a little before it is taken."""
    wait_until(lambda: refreshed(explorer) >= least, f"{least} events")


def refreshed(explorer: Explorer) -> int:
    """Let the page show what came since, and return its total, once that can't grow any more."""
    show = explorer.page.get_by_title("show what came since")
    summary = explorer.page.locator(".summary:not(.old)")
    moment = window(explorer)["to_date"]
    show.click()
    wait_until(lambda: window(explorer)["to_date"] != moment, "the new moment")
    explorer.settle()
    expect(explorer.page.locator("[aria-busy=true], .old, .outdated")).to_have_count(0)
    expect(explorer.page.get_by_text(_COUNTING)).to_have_count(0)
    # The machine may be too busy to store, or to count, all in time.
    if "may still grow" in summary.inner_text() or explorer.page.get_by_text(_PARTLY).count():
        return refreshed(explorer)
    return number(explorer.total.inner_text())


def window(explorer: Explorer) -> dict[str, str]:
    """Return the window of the rows that the page has asked for last."""
    explorer.page.title()  # lets the events of the page in
    asked = [urlsplit(url) for url in explorer.watched.requested]
    queries = [dict(parse_qsl(one.query)) for one in asked if one.path == "/events"]
    last = [query for query in queries if "to_date" in query][-1]
    return {name: last[name] for name in ("q", "from_date", "to_date")}


def assert_agreement(explorer: Explorer, running: Service) -> int:
    """Assert that all figures are those of the events that the API has up to the same instant."""
    count = number(explorer.total.inner_text())
    bars = sum(
        number(each.get_attribute("title"))
        for each in explorer.page.locator(".legend button").all()
    )
    facets = [
        sum(numbers(explorer.facet(field).locator(".count")))
        for field in ("component", "environment")
    ]
    asked = {**window(explorer), "format": "ndjson"}
    stored = running.http.get("/events/export", params=asked).text.count("\n")
    told = explorer.page.locator(".facets-inside, .summary").all_inner_texts()
    assert [all_rows(explorer), bars, *facets, stored] == [count] * 5, told
    return count


def all_rows(explorer: Explorer) -> int:
    """Load all rows by scrolling, and return their number."""
    grid = explorer.grid

    def whole() -> int:
        grid.press("End")
        return int(grid.get_attribute("aria-rowcount") or -1)

    return wait_until(lambda: max(whole(), 0), "all rows") - 1


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


def test_a_question_that_cannot_be_followed_is_told_with_its_fault(explorer: Explorer) -> None:
    explorer.watched.allowed += ["status of 422"]
    explorer.open(q="occurred_at>-24h")
    grey = dot(explorer)
    explorer.page.get_by_role("button", name="Live").click()
    live = explorer.page.get_by_role("group", name="Live")
    expect(live.locator(".live-state.bad")).to_contain_text("has a relative date")
    expect(live.get_by_role("button", name="Begin anew")).to_have_count(0)
    assert dot(explorer) == grey
    explorer.question.fill("component:paused")
    explorer.question.press("Enter")
    expect(live.locator(".live-state.good")).to_be_visible()
    assert dot(explorer) != grey


def dot(explorer: Explorer) -> str:
    """Return the colour of the button's dot."""
    dot = explorer.page.locator(".live-dot")
    return str(dot.evaluate("(dot) => getComputedStyle(dot).backgroundColor"))


def test_what_is_erased_leaves_the_page_whether_it_came_live_or_not(
    explorer: Explorer, running: Service
) -> None:
    email = "erased.live@example.com"
    event = {"component": "erased", "environment": "e"}
    running.wait_stored(running.post(**event, message="of the person, before", email=email)["id"])
    explorer.open(**{"from": "-1h", "q": "component:erased", "live": "true"})
    expect(explorer.page.get_by_role("group", name="Live")).to_contain_text("live")
    running.post(**event, message="of the person, live", email=email)
    running.post(**event, message=f"a mail to {email}")
    running.post(**event, message="of another")
    expect(explorer.rows).to_have_count(4)
    with supervised(running.settings):
        begun = running.http.post("/admin/erasures", json={"email": email}).json()
        expect(explorer.rows).to_have_count(2, timeout=120_000)
        expect(explorer.rows.nth(0)).to_contain_text("of another")
        expect(explorer.rows.nth(1)).to_contain_text("a mail to [erased]", timeout=120_000)
        explorer.expect_total(2)
        wait_until(
            lambda: running.http.get(f"/admin/erasures/{begun['id']}").json()["finished_at"],
            "the end of the erasure",
            300,
        )
