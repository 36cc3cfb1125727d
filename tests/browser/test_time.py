"""Choose the time, drag in the bars, go back, group the bars, and read the period before."""

import re
from datetime import UTC, datetime

from playwright.sync_api import Locator, expect

from testbed.service import Service
from testbed.waiting import wait_until
from tests.browser.explorer import Explorer

WEEK = {"from": "-7d"}


def bars(explorer: Explorer) -> Locator:
    return explorer.page.get_by_role("slider", name=re.compile("^bars"))


def drag(explorer: Explorer, begin: float, end: float) -> None:
    """Drag from one part of the bars' width to another."""
    bars = explorer.page.locator(".histogram .u-over")
    box = wait_until(bars.bounding_box, "the bars, which are made anew with each answer")
    assert box is not None
    middle = box["y"] + box["height"] / 2
    mouse = explorer.page.mouse
    mouse.move(box["x"] + begin * box["width"], middle)
    mouse.down()
    mouse.move(box["x"] + (begin + end) / 2 * box["width"], middle, steps=3)
    mouse.move(box["x"] + end * box["width"], middle, steps=3)
    mouse.up()


def test_a_drag_zooms_and_the_browsers_button_goes_back(
    explorer: Explorer, running: Service
) -> None:
    explorer.open(**WEEK)
    before = explorer.total.inner_text()
    expect(explorer.page.locator(".histogram .u-over")).to_be_visible()
    drag(explorer, 0.25, 0.5)
    explorer.page.wait_for_url(re.compile("to=20"))
    explorer.settle()
    view = explorer.view()
    hours = (instant(view["to"]) - instant(view["from"])).total_seconds() / 3600
    assert 36 <= hours <= 48
    window = {"from_date": view["from"], "to_date": view["to"]}
    found = running.http.get("/events/stats", params={**window, "interval": "day"}).json()
    explorer.expect_total(found["total"])
    explorer.page.go_back()
    explorer.expect_view(to="")
    expect(explorer.total).to_have_text(before)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_bars_are_read_and_zoomed_by_keys(explorer: Explorer) -> None:
    explorer.open(**WEEK)
    bars(explorer).focus()
    bars(explorer).press("ArrowLeft")
    expect(bars(explorer)).to_have_attribute("aria-valuetext", re.compile(r": [\d,]+ events$"))
    bars(explorer).press("ArrowLeft")
    # Bars that are drawn anew, as when the period before is known, keep what is chosen.
    canvas = explorer.page.locator(".histogram canvas").element_handle()
    explorer.page.emulate_media(color_scheme="dark")
    wait_until(lambda: not canvas.evaluate("(canvas) => canvas.isConnected"), "other bars")
    bars(explorer).press("Enter")
    explorer.page.wait_for_url(re.compile("to=20"))


def test_bars_are_grouped_and_a_group_is_a_filter(explorer: Explorer) -> None:
    explorer.open(**WEEK)
    explorer.page.get_by_label("group by").select_option("component")
    explorer.expect_view(group="component")
    group = explorer.page.locator(".legend").get_by_role("button", name="checkout")
    group.click()
    explorer.expect_view(q="component:checkout")
    explorer.settle()
    expect(explorer.cell(0, 1)).to_have_text("checkout")


def test_the_period_before_is_told_once_the_bars_are_whole(explorer: Explorer) -> None:
    explorer.open(**{"from": "-2d"})
    expect(explorer.page.get_by_text("the period before")).to_be_visible()
    explorer.page.locator(".histogram .u-over").hover()
    expect(explorer.page.locator(".tip")).to_contain_text("in the period before")


def test_a_time_is_chosen_relative_absolute_and_in_a_zone(explorer: Explorer) -> None:
    explorer.open()
    page = explorer.page
    picker = page.get_by_role("button", name=re.compile("last 24 h"))
    picker.click()
    form = page.get_by_role("dialog", name="time")
    expect(form).to_be_visible()
    page.get_by_role("button", name="Live").focus()
    expect(form).to_have_count(0)
    picker.click()
    form.get_by_role("button", name="last 2 d", exact=True).click()
    explorer.expect_view(**{"from": "-2d"})
    page.get_by_role("button", name=re.compile("last 2 d")).click()
    form.get_by_label("zone").select_option("Australia/Adelaide")
    explorer.expect_view(zone="Australia/Adelaide")
    form.get_by_label("from").fill("2026-11-25T12:00:00")
    form.get_by_label("to", exact=True).fill("2026-11-25T18:00:00")
    form.get_by_role("button", name="Show").click()
    explorer.expect_view(**{"from": "2026-11-25T01:30:00.000Z", "to": "2026-11-25T07:30:00.000Z"})
    page.get_by_role("button", name=re.compile("Adelaide")).click()
    form.get_by_role("radio", name=re.compile("occurred")).check()
    explorer.expect_view(by="occurred_at")


def test_bars_and_rows_say_that_they_are_by_created_at(explorer: Explorer) -> None:
    for group in ("", "component"):
        explorer.open(**{"from": "-8d", "by": "occurred_at", "group": group})
        expect(explorer.page.get_by_text("bars by created_at")).to_be_visible()
        expect(explorer.page.get_by_role("columnheader", name="accepted")).to_be_visible()
    explorer.open(**{"from": "-8d"})
    expect(explorer.page.get_by_text("bars by created_at")).to_have_count(0)
    expect(explorer.page.get_by_role("columnheader", name="time")).to_be_visible()
