"""Events whose text could break a page: markup, other directions, great length and depth."""

import re
from typing import Any

import pytest
from playwright.sync_api import Dialog, expect

from testbed.service import Service
from tests.browser.explorer import Explorer

MARKUP = "<img src=x onerror=alert(1)>"
RIGHT_TO_LEFT = "خدمة-الفوترة"
DEPTH = 62
HIDDEN = "a\u202eb\u0007c"  # turned direction, and a bell


def nested(depth: int) -> Any:
    data: Any = {"innermost": MARKUP}
    for level in range(depth - 1):
        data = {f"level {level}": data}
    return data


@pytest.fixture(scope="module")
def awkward(running: Service) -> dict[str, str]:
    """Post the events; return their ids."""
    made: dict[str, dict[str, Any]] = {
        "markup": {"component": MARKUP, "message": f"</script>{MARKUP}", "data": {MARKUP: MARKUP}},
        "direction": {"component": RIGHT_TO_LEFT, "message": "הזמנה 12 שולמה (paid) بنجاح"},
        "long": {"component": "long", "message": "paragraph " * 25_000},
        "deep": {"component": "deep", "message": "deep", "data": nested(DEPTH)},
        "hidden": {"component": "hidden", "message": HIDDEN},
        "wide": {"component": "wide", "message": "wide", "data": {f"k{n}": n for n in range(2000)}},
    }
    found = {}
    for name, event in made.items():
        found[name] = str(running.post(environment="awkward", **event)["id"])
    for event_id in found.values():
        running.wait_stored(event_id)
    return found


def test_markup_is_shown_as_text_everywhere(explorer: Explorer, awkward: dict[str, str]) -> None:
    dialogs: list[str] = []

    def note(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    explorer.page.on("dialog", note)
    explorer.open(q="environment:awkward", event=awkward["markup"], group="component")
    expect(explorer.page.get_by_role("gridcell", name=MARKUP, exact=True)).to_be_visible()
    expect(explorer.detail).to_contain_text(f"</script>{MARKUP}")
    expect(explorer.detail.locator("bdi.key").filter(has_text=MARKUP)).to_be_visible()
    explorer.only("component", MARKUP).click()
    explorer.expect_view(q=f'environment:awkward component:"{MARKUP}"')
    explorer.expect_total(1)
    expect(explorer.chips.filter(has_text=MARKUP)).to_be_visible()
    explorer.question.fill("environment:awkward component:img")
    explorer.question.press("End")
    expect(explorer.page.get_by_role("option").filter(has_text=MARKUP)).to_be_visible()
    assert explorer.page.locator("img").count() == 0
    assert not dialogs


def test_text_from_right_to_left_keeps_the_page_in_order(
    explorer: Explorer, awkward: dict[str, str]
) -> None:
    explorer.open(q="environment:awkward", event=awkward["direction"])
    explorer.only("component", RIGHT_TO_LEFT).click()
    explorer.expect_total(1)
    lefts = [cell.bounding_box() for cell in explorer.rows.first.get_by_role("gridcell").all()]
    xs = [box["x"] for box in lefts if box]
    assert xs == sorted(xs)
    expect(explorer.cell(0, 1)).to_have_text(RIGHT_TO_LEFT)
    assert explorer.page.evaluate("() => document.dir") == ""


def test_a_message_of_250_kb_is_one_line_and_opens_as_a_whole(
    explorer: Explorer, awkward: dict[str, str]
) -> None:
    explorer.open(q="component:long environment:awkward")
    box = explorer.rows.first.bounding_box()
    assert box is not None
    assert box["height"] < 40
    explorer.rows.first.click()
    more = explorer.detail.get_by_role("button", name=re.compile("Show all 250,000"))
    more.click()
    expect(more).to_have_count(0)
    assert len(explorer.detail.locator(".message").inner_text()) > 249_000


def test_data_opens_level_by_level_down_to_62(explorer: Explorer, awkward: dict[str, str]) -> None:
    explorer.open(q="environment:awkward", event=awkward["deep"])
    tree = explorer.detail
    shut = tree.locator("button[aria-expanded=false]")
    for _ in range(DEPTH):
        if tree.get_by_text("innermost").count():
            break
        shut.first.click()
    expect(tree.get_by_text("innermost")).to_be_visible()
    explorer.detail.get_by_role("button", name=re.compile("^only .*innermost")).click()
    explorer.page.wait_for_url(re.compile("innermost"))
    explorer.expect_total(1)


def test_2000_keys_open_200_at_a_time(explorer: Explorer, awkward: dict[str, str]) -> None:
    explorer.open(q="environment:awkward", event=awkward["wide"])
    expect(explorer.detail.locator("bdi.key")).to_have_count(200)


def test_characters_that_hide_are_made_visible(explorer: Explorer, awkward: dict[str, str]) -> None:
    explorer.open(q="environment:awkward", event=awkward["hidden"])
    shown = explorer.detail.locator(".message").inner_text()
    assert "\u202e" not in shown
    assert "\u0007" not in shown
