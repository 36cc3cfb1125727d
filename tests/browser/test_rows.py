"""Rows, the detail of one, what stands around it, and its person."""

import re

from playwright.sync_api import expect

from testbed.service import Service
from tests.browser.explorer import Explorer

ALL = {"from": "-8d"}
_SELECT = """(row) => new Promise((done) => {
  const start = performance.now();
  row.click();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
})"""


def test_rows_are_paged_by_scrolling_until_there_are_20000(explorer: Explorer) -> None:
    explorer.open(**ALL)
    loaded = explorer.page.get_by_text(re.compile("rows loaded"))
    expect(loaded).to_be_visible()
    explorer.grid.focus()
    before = 0
    while (count := int(re.sub(r"\D", "", loaded.inner_text()))) < 20_000:
        assert count > before, "scrolling to the end loads nothing"
        before = count
        explorer.grid.press("End")
        expect(loaded).not_to_have_text(f"{count:,} rows loaded")
    assert explorer.rows.count() < 200
    explorer.grid.press("End")
    # Not the last row: the next page may have come meanwhile.
    active = explorer.grid.locator(".row.active")
    expect(active).to_have_attribute("aria-rowindex", re.compile(r"^2\d{4}$"))
    expect(active).to_be_in_viewport()
    ms = explorer.rows.nth(explorer.rows.count() // 2).evaluate(_SELECT)
    print(f"selecting a row among {count:,} took {ms:.0f} ms")
    expect(explorer.detail).to_be_visible()


def test_the_rows_are_those_of_the_api_in_its_order(explorer: Explorer, running: Service) -> None:
    explorer.open(**ALL, q="component:billing")
    found = running.events(q="component:billing", limit=10)
    for number, event in enumerate(found):
        expect(explorer.cell(number, 3)).to_have_text(str(event["message"]))
    explorer.page.get_by_role("button", name=re.compile("^time")).click()
    explorer.expect_view(order="asc")
    first = running.events(q="component:billing", limit=1, order="asc")[0]
    expect(explorer.cell(0, 3)).to_have_text(str(first["message"]))


def test_a_row_opens_its_detail_with_data_that_filters(
    explorer: Explorer, running: Service
) -> None:
    explorer.open(**ALL, q="component:billing data.customer.tier:gold")
    explorer.rows.nth(3).click()
    event = running.events(q="component:billing data.customer.tier:gold", limit=4)[3]
    explorer.expect_view(event=str(event["id"]))
    expect(explorer.detail).to_contain_text(str(event["message"]))
    expect(explorer.detail).to_contain_text("stored: in PostgreSQL")
    explorer.detail.get_by_role("button", name="without data.customer.tier gold").click()
    expect(explorer.chips.filter(has_text="gold")).to_have_class(re.compile("not"))
    explorer.page.go_back()
    explorer.detail.get_by_role("button", name="close").first.click()
    expect(explorer.detail).to_have_count(0)


def test_columns_are_chosen_and_resized_also_of_data(explorer: Explorer) -> None:
    explorer.open(**ALL, q="component:checkout data.customer.country:JP")
    explorer.page.get_by_role("button", name="Columns").click()
    path = explorer.page.get_by_role("combobox", name="path in data")
    path.fill("customer.country")
    path.press("Enter")
    head = explorer.page.get_by_role("columnheader", name="data.customer.country")
    expect(head).to_be_visible()
    explorer.page.get_by_role("checkbox", name="email").uncheck()
    expect(explorer.page.get_by_role("columnheader", name="email")).to_have_count(0)
    expect(explorer.cell(0, 4)).to_have_text("JP")
    edge = explorer.page.get_by_role("separator", name="width of component")
    edge.press("ArrowRight")
    explorer.expect_view(widths="component:156")
    explorer.page.reload()
    expect(head).to_be_visible()


def test_a_text_is_found_in_rows_that_are_not_in_the_document(explorer: Explorer) -> None:
    explorer.open(**ALL, q="component:checkout")
    explorer.page.get_by_role("button", name="Find", exact=True).click()
    field = explorer.page.get_by_role("searchbox", name="find in the rows that are loaded")
    field.fill("DECLINED by")
    status = explorer.page.get_by_role("search", name="in the rows").get_by_role("status")
    expect(status).to_have_text(re.compile(r"^[1-9][\d,]* in [\d,]+ rows$"))
    for number in range(1, 31):
        field.press("Enter")
        expect(status).to_have_text(re.compile(f"^{number} of "))
    expect(explorer.grid.locator(".row.active")).to_be_in_viewport()
    expect(explorer.grid.locator(".row.active")).to_contain_text("declined by")


def test_around_an_event_stands_what_came_before_and_after(
    explorer: Explorer, running: Service
) -> None:
    event = running.events(q="component:shipping", limit=50)[-1]
    explorer.open(**ALL, event=event["id"])
    explorer.detail.get_by_role("button", name="Around it").click()
    around = running.http.get(f"/events/{event['id']}/around").json()
    lines = explorer.detail.get_by_role("listitem")
    expect(lines.filter(has_text=str(event["message"])).first).to_be_visible()
    for side in ("before", "after"):
        expect(explorer.detail).to_contain_text(str(around[side][0]["message"]))
    explorer.detail.get_by_role("combobox", name="Which events").select_option("component")
    explorer.expect_view(panel="around:component")
    expect(lines.first).to_be_visible()


def test_this_person_shows_a_timeline_of_the_email(explorer: Explorer, running: Service) -> None:
    event = running.events(email="user00000@mail.example.org", limit=1)[0]
    explorer.open(**ALL, event=event["id"])
    explorer.detail.get_by_role("button", name="This person").click()
    expect(explorer.detail).to_contain_text("user00000@mail.example.org")
    expect(explorer.detail).to_contain_text(re.compile(r"in \d+ sessions?"))
    expect(explorer.detail).to_contain_text(str(event["message"]))


def test_what_is_in_objects_of_an_array_has_no_buttons_and_elements_have(
    explorer: Explorer, running: Service
) -> None:
    data = {"tags": ["urgent"], "items": [{"sku": "a-1"}]}
    event = {"component": "listed", "environment": "e", "message": "an order", "data": data}
    sent = running.http.post("/events", json=event)
    assert sent.status_code == 202
    explorer.page.goto(f"/?event={sent.json()['id']}")
    tree = explorer.detail.locator(".tree")
    tree.get_by_role("button", name="Open all").click()
    line = tree.locator(".node").filter(has_text="a-1")
    expect(line).to_be_visible()
    expect(line.get_by_role("button")).to_have_count(0)
    tree.get_by_role("button", name="only data.tags urgent").click()
    explorer.expect_view(q="data.tags:urgent")
