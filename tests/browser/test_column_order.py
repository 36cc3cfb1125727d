"""The order of columns: by keys in their menu, by the pointer at their heads; in the address."""

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect

from testbed.waiting import wait_until
from tests.browser.explorer import Explorer


def heads(explorer: Explorer) -> list[str]:
    return [text.split()[0] for text in explorer.page.get_by_role("columnheader").all_inner_texts()]


def columns(explorer: Explorer) -> list[str]:
    return parse_qs(urlsplit(explorer.page.url).query).get("columns", [])


def test_a_column_is_moved_by_keys_and_by_the_pointer(explorer: Explorer) -> None:
    explorer.open(**{"from": "-8d", "columns": ["time", "component", "message"]})
    explorer.page.get_by_role("button", name="Columns").click()
    explorer.page.get_by_role("button", name="move component left").press("Enter")
    wait_until(lambda: heads(explorer) == ["component", "time", "message"], "the new order")
    assert columns(explorer) == ["component", "time", "message"]
    first = explorer.page.get_by_role("button", name="move component left")
    expect(first).to_be_disabled()
    explorer.page.keyboard.press("Escape")
    head = explorer.page.get_by_role("columnheader")
    head.nth(1).drag_to(head.nth(2), source_position={"x": 10, "y": 10})
    wait_until(lambda: heads(explorer) == ["component", "message", "time"], "the order dragged to")
    explorer.page.reload()
    explorer.settle()
    assert heads(explorer) == ["component", "message", "time"]
