"""The page by keys alone."""

import re

from playwright.sync_api import expect

from tests.browser.explorer import Explorer

_FOCUS = """() => {
  const one = document.activeElement;
  if (one === document.body) return [null, "none"];
  return [one.ariaLabel || one.textContent.trim(), getComputedStyle(one).outlineStyle];
}"""


def test_a_question_is_asked_and_an_event_read_by_keys_alone(explorer: Explorer) -> None:
    explorer.open(**{"from": "-8d"})
    keyboard = explorer.page.keyboard
    keyboard.press("/")
    expect(explorer.question).to_be_focused()
    keyboard.type("component:billing ")
    keyboard.press("Escape")  # closes what completes, also before it has come
    keyboard.press("Enter")
    explorer.expect_view(q="component:billing")
    explorer.settle()
    keyboard.press("Escape")
    expect(explorer.question).not_to_be_focused()
    for _ in range(3):
        keyboard.press("j")
    keyboard.press("k")
    active = explorer.grid.locator(".row.active")
    expect(active).to_have_attribute("aria-rowindex", "3")
    keyboard.press("Enter")
    expect(explorer.detail).to_contain_text("stored: in PostgreSQL")
    keyboard.press("a")
    expect(explorer.detail).to_contain_text("Around it")
    keyboard.press("Escape")
    expect(explorer.detail.get_by_role("button", name="Around it")).to_be_visible()
    keyboard.press("Escape")
    expect(explorer.detail).to_have_count(0)


def test_each_place_has_its_key_and_escape_leads_back(explorer: Explorer) -> None:
    explorer.open(**{"from": "-8d"})
    keyboard = explorer.page.keyboard
    dialog = explorer.page.get_by_role("dialog")
    for key in ("t", "e", "v", "?"):
        keyboard.press(key)
        expect(dialog).to_be_visible()
        keyboard.press("Escape")
        expect(dialog).to_have_count(0)
    keyboard.press("l")
    expect(explorer.page.get_by_role("group", name="Live")).to_be_visible()
    keyboard.press("l")
    expect(explorer.page.get_by_role("group", name="Live")).to_have_count(0)
    keyboard.press("f")
    expect(explorer.page.get_by_role("searchbox", name=re.compile("^find"))).to_be_focused()


def test_everything_is_reached_by_tab_and_the_focus_is_seen(explorer: Explorer) -> None:
    explorer.open(**{"from": "-8d"})
    seen: set[str] = set()
    for _ in range(60):
        explorer.page.keyboard.press("Tab")
        name, outline = explorer.page.evaluate(_FOCUS)
        assert outline != "none" or name is None, name
        seen.add(name)
    assert {"question", "Export", "Views", "Operate", "events"} <= seen
