"""The operator's page: figures that add up, acts on a selection, panels that fail alone."""

import json
import re
from collections.abc import Iterator
from uuid import UUID

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Locator, Page, Route, expect

from storage.postgres.engine import short_engine
from storage.postgres.tables import dead_letters
from testbed.service import Service
from tests.browser.explorer import Explorer
from tests.browser.test_accessibility import LOOKS
from tests.support.axe import axe_faults, require_axe
from tests.support.queued import add_dead_letter, make_event
from tests.support.watched_page import Watched, watched_page

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def engine(running: Service) -> Iterator[sa.Engine]:
    with short_engine(running.settings.database_url) as found:
        yield found
        with found.begin() as connection:
            connection.execute(dead_letters.delete())


def make_letters(engine: sa.Engine, count: int, reason: str) -> list[str]:
    """Make dead letters with a reason of their own."""
    made = [make_event(f"{reason} {n}", component=HOSTILE) for n in range(count)]
    for event in made:
        add_dead_letter(engine, event)
        change = dead_letters.update().where(dead_letters.c.id == UUID(event.id))
        with engine.begin() as connection:
            connection.execute(change.values(reason=reason))
    return [event.id for event in made]


def panel(page: Page, name: str) -> Locator:
    return page.locator(f"section[aria-label='{name}']")


def open_letters(page: Page, reason: str) -> Locator:
    """Open the page with the dead letters of a reason; return their rows."""
    page.goto("/?page=operator")
    letters = panel(page, "dead letters")
    letters.get_by_role("searchbox").fill(reason)
    letters.get_by_role("searchbox").press("Enter")
    return letters.locator("tbody tr")


def number(cell: Locator) -> int:
    return int((cell.text_content() or "").replace(",", ""))


def test_what_came_in_and_where_it_is_add_up(page: Page) -> None:
    page.goto("/?page=operator")
    accounts = panel(page, "every event accounted for")
    expect(accounts).to_contain_text("Every accepted event is accounted for.")
    came, went = (number(cell) for cell in accounts.locator("tfoot td").all())
    assert came == went > 0
    for table in accounts.locator("table").all():
        rows = [number(cell) for cell in table.locator("tbody td").all()]
        assert sum(rows) == number(table.locator("tfoot td"))


def test_a_selection_is_replayed_after_a_question_and_nothing_else(
    page: Page, engine: sa.Engine, running: Service
) -> None:
    made = make_letters(engine, 3, "replayed in the page")
    rows = open_letters(page, "replayed in the page")
    expect(rows).to_have_count(3)
    letters = panel(page, "dead letters")
    expect(letters).to_contain_text(HOSTILE)
    for row in (0, 1):
        rows.nth(row).get_by_role("checkbox").check()
    letters.get_by_role("button", name="Replay").click()
    dialog = page.get_by_role("dialog", name="Replay 2 dead letters?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(rows).to_have_count(3)
    letters.get_by_role("button", name="Replay").click()
    dialog.get_by_role("button", name="Replay 2").click()
    expect(letters.get_by_role("status")).to_contain_text("2 stored.")
    expect(rows).to_have_count(1)
    receipts = {running.http.get(f"/events/{one}").json()["receipt"] for one in made}
    assert receipts == {"stored", "dead"}
    expect(panel(page, "audit log").locator("tbody tr").first).to_contain_text(
        "dead-letters replay"
    )


def test_dead_letters_that_come_later_are_listed_unless_one_is_selected(
    page: Page, engine: sa.Engine
) -> None:
    page.goto("/?page=operator")
    letters = panel(page, "dead letters")
    expect(letters).to_contain_text("There are no dead letters.")
    count = panel(page, "status").locator("div").filter(has_text="dead letters").locator("dd")
    expect(count).to_have_text("0")
    make_letters(engine, 2, "came later")
    rows = letters.locator("tbody tr")
    expect(rows).to_have_count(2)
    rows.first.get_by_role("checkbox").check()
    make_letters(engine, 1, "came last")
    expect(count).to_have_text("3")
    expect(rows).to_have_count(2)
    rows.first.get_by_role("checkbox").uncheck()
    expect(rows).to_have_count(3)


def test_a_selection_is_discarded_after_a_question_and_its_bytes_can_be_read_before(
    page: Page, engine: sa.Engine
) -> None:
    make_letters(engine, 2, "discarded in the page")
    rows = open_letters(page, "discarded in the page")
    expect(rows).to_have_count(2)
    letters = panel(page, "dead letters")
    rows.first.get_by_role("button", name="Show").click()
    expect(letters.locator("pre")).to_contain_text(f'"component":"{HOSTILE}"')
    letters.get_by_role("checkbox", name="select the 2 dead letters shown").check()
    letters.get_by_role("button", name="Discard").click()
    dialog = page.get_by_role("dialog", name="Discard 2 dead letters?")
    expect(dialog).to_contain_text("can't be undone")
    dialog.get_by_role("button", name="Discard 2").click()
    expect(letters.get_by_role("status")).to_contain_text("2 discarded.")
    expect(letters).to_contain_text("No dead letter has this text in its reason.")


def test_text_that_turns_and_bytes_without_end_are_shown_as_they_are_and_in_part(
    page: Page, engine: sa.Engine
) -> None:
    turned, long = make_letters(engine, 2, "turned\u202e in the page")
    originals = {turned: '{"component":"a\u202egpj.exe"}'.encode(), long: b"x" * (50 << 20)}
    with engine.begin() as connection:
        for one, raw in originals.items():
            change = dead_letters.update().where(dead_letters.c.id == UUID(one))
            connection.execute(change.values(event=raw))
    open_letters(page, "in the page")
    letters = panel(page, "dead letters")
    for one, shown in ((turned, "a[U+202E]gpj.exe"), (long, "The first 1 MiB of 52 MB")):
        letters.get_by_role("button", name=f"Show {one}").click()
        expect(letters.locator(".original")).to_contain_text(shown)
    assert "turned[U+202E] in the page" in (letters.text_content() or "")
    assert "\u202e" not in (letters.text_content() or "")


def test_a_panel_fails_alone_and_can_be_asked_again(page: Page, watched: Watched) -> None:
    watched.allowed.append("503")
    problem = {"title": "Temporarily unavailable", "status": 503, "detail": "The cache is away."}

    def refuse(route: Route) -> None:
        kind = "application/problem+json"
        route.fulfill(status=503, content_type=kind, body=json.dumps(problem))

    page.route("**/admin/rates", refuse)
    page.goto("/?page=operator")
    rates = panel(page, "the last hour")
    expect(rates.get_by_role("alert")).to_contain_text("The cache is away.")
    expect(panel(page, "status")).to_contain_text("workers")
    expect(panel(page, "shards").locator("tbody tr").first).to_be_visible()
    page.unroute("**/admin/rates")
    rates.get_by_role("button").click()
    expect(rates.locator("figure")).to_have_count(3)


def test_minutes_that_are_not_known_are_said_to_be_so(page: Page) -> None:
    names = ("accepted", "stored", "duplicates", "dead", "rejected")
    unknown = dict.fromkeys(names)
    minutes = [{"minute": f"2026-11-28T12:{n:02}:00+00:00", **unknown} for n in range(60)]
    minutes[59] |= dict.fromkeys(names, 7)
    page.route("**/admin/rates", lambda route: route.fulfill(json={"minutes": minutes}))
    page.goto("/?page=operator")
    rates = panel(page, "the last hour")
    expect(rates.locator("figcaption").first).to_contain_text("7 in 1 min, 59 min unknown")


def test_the_token_of_a_new_key_is_shown_once_also_if_one_must_sign_in_now(
    page: Page, watched: Watched
) -> None:
    # Made in truth, the first key would close the service to all other tests.
    key = {"id": "0aZ9bY8x", "name": "billing", "scopes": ["write"], "status": "active"}
    token = "act_0aZ9bY8x_notreal"
    made = {"key": key, "token": token, "failures": {}}
    sent: list[object] = []

    def make(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        sent.append(route.request.post_data_json)
        route.fulfill(status=201, json=made)

    page.route(re.compile("/admin/keys"), make)
    page.goto("/?page=operator")
    panel(page, "keys").get_by_role("button", name="New key").click()
    form = page.get_by_role("dialog", name="New key")
    form.get_by_label("Name").fill("billing")
    form.get_by_role("checkbox", name="write").check()
    form.get_by_label("Components").fill("pay-*")
    form.get_by_label("It ends").select_option("")
    form.get_by_role("button", name="Make the key").click()
    shown = page.get_by_role("dialog", name="The key billing")
    expect(shown.get_by_label("token")).to_have_value(token)
    watched.allowed.append("401")
    page.route("**/status", lambda route: route.fulfill(status=401, json={"status": 401}))
    expect(page.locator("main.operator")).to_have_count(0)  # the first key closes the service
    expect(shown.get_by_label("token")).to_have_value(token)
    shown.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_label("token")).to_have_count(0)
    assert token not in page.content()
    [body] = sent
    assert body == {
        "name": "billing",
        "scopes": ["write"],
        "components": ["pay-*"],
        "environments": [],
    }


def test_a_refused_key_is_told_at_its_field(page: Page, watched: Watched) -> None:
    watched.allowed.append("422")
    page.goto("/?page=operator")
    panel(page, "keys").get_by_role("button", name="New key").click()
    form = page.get_by_role("dialog", name="New key")
    form.get_by_label("Name").fill("billing")
    form.get_by_role("checkbox", name="read").check()
    form.get_by_label("Events a second").fill("5")
    form.get_by_role("button", name="Make the key").click()
    expect(form.locator(".fault")).to_contain_text("it needs the scope write")


def test_the_page_has_room_on_a_phone(explorer: Explorer) -> None:
    page = explorer.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/?page=operator")
    expect(panel(page, "shards").locator("tbody tr").first).to_be_visible()
    width = page.evaluate("document.querySelector('main').scrollWidth")
    assert width <= 390


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_no_fault(
    browser: Browser, running: Service, engine: sa.Engine, look: str
) -> None:
    require_axe()
    make_letters(engine, 2, "looked at by axe")
    with watched_page(browser, running.url, bypass_csp=True, **LOOKS[look]) as watched:
        page = watched.page
        rows = open_letters(page, "looked at by axe")
        expect(rows).to_have_count(2)
        rows.first.get_by_role("button", name="Show").click()
        expect(page.locator("pre")).to_be_visible()
        rows.first.get_by_role("checkbox").check()
        expect(page.locator("figure")).to_have_count(3)
        faults = [axe_faults(page)]
        panel(page, "dead letters").get_by_role("button", name="Discard").click()
        faults.append(axe_faults(page))
        page.keyboard.press("Escape")
        panel(page, "keys").get_by_role("button", name="New key").click()
        faults.append(axe_faults(page))
    found = "\n".join(dict.fromkeys("\n".join(faults).splitlines()))
    assert not found.strip(), found
