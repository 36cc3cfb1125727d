"""Events whose text could break a page: markup, other directions, great length and depth."""

import re
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Dialog, expect

from testbed.service import Service
from tests.browser.explorer import Explorer

MARKUP = "<img src=x onerror=alert(1)>"
RIGHT_TO_LEFT = "خدمة-الفوترة"
DEPTH = 62
HIDDEN = "a\u202eb\u0007c"  # turned direction, and a bell
TURNED = "k\u202eyek"
# Names that every object of JavaScript has a value for.
NAMES = {"__proto__": {"polluted": "by an event"}, "constructor": "a text", "toString": 1}


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
        "hidden": {"component": "hidden", "message": HIDDEN, "data": {TURNED: "turned"}},
        "names": {"component": "names", "message": "names", "data": NAMES},
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
    heading = explorer.detail.locator(".message p").bounding_box()
    assert heading is not None
    assert heading["height"] < 250
    more.click()
    expect(more).to_have_count(0)
    root = explorer.page.locator("html")
    assert root.evaluate("(root) => root.scrollHeight <= root.clientHeight")
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


def test_keys_that_every_object_has_are_data_and_nothing_else(
    explorer: Explorer, awkward: dict[str, str]
) -> None:
    paths = ["data.__proto__.polluted", "data.constructor", "data.hasOwnProperty"]
    view = {"columns": ["component", *paths], "facets": ["component", *paths]}
    explorer.open(q="environment:awkward", event=awkward["names"], order="asc", **view)
    found = explorer.rows.filter(has_text="by an event")
    expect(found).to_have_count(1)
    assert found.get_by_role("gridcell").all_inner_texts()[1:4] == ["by an event", "a text", ""]
    others = explorer.rows.filter(has_not_text="by an event").get_by_role("gridcell")
    assert "function" not in "".join(others.all_inner_texts())
    expect(explorer.only("data.constructor", "a text")).to_be_visible()
    for key in NAMES:
        expect(explorer.detail.locator("bdi.key").get_by_text(key, exact=True)).to_be_visible()
    assert explorer.page.evaluate("() => ({}).polluted") is None
    explorer.detail.get_by_role("button", name=re.compile("^only .*polluted")).click()
    explorer.expect_total(1)


def test_a_key_that_turns_the_direction_is_made_visible_where_it_names_something(
    explorer: Explorer, awkward: dict[str, str]
) -> None:
    path = f'data."{TURNED}"'
    explorer.open(q="component:hidden", columns=[path], facets=[f"data.{TURNED}"])
    assert "k[U+202E]yek" in explorer.page.get_by_role("columnheader").first.inner_text()
    assert "\u202e" not in explorer.page.locator("#app").inner_text()


def test_a_link_of_an_enemy_neither_stops_the_page_nor_asks_for_much(explorer: Explorer) -> None:
    explorer.watched.allowed += ["status of 4"]
    many = [f"data.k{n}" for n in range(500)]
    link = {"q": " ".join("a" * 1900), "columns": many, "facets": many, "event": "export"}
    explorer.page.goto(f"/?{urlencode(link, doseq=True)}")
    expect(explorer.chips).to_have_count(1900)
    expect(explorer.detail).to_have_count(0)  # `export` is no event, but the whole history
    asked = [urlsplit(url).path for url in explorer.watched.requested]
    assert asked.count("/events/facets") <= 20
    explorer.page.goto("/?to=2026-99-99&from=-999999d&zone=Nowhere/Land&group=__proto__")
    told = explorer.page.get_by_role("alert").filter(has_text="2026-99-99")
    expect(told.first).to_be_visible()
