"""Sign in with a key, look after the service, and replay a dead letter."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from storage.access.api_key import Scope
from storage.postgres.engine import short_engine
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.keys import TestKey, new_key, put_on_queue
from tests.support.refusing import refuse, refuse_nothing
from tests.support.watched_page import Watched, watched_page

ADMIN = new_key(Scope.READ, Scope.OBSERVE, Scope.ADMIN)
READER = new_key(Scope.READ, components=("billing",))
WRITER = new_key(Scope.WRITE)


@pytest.fixture(scope="module")
def guarded(running: Service) -> Iterator[Service]:
    """Run one more API process of the service, which asks for keys."""
    put_on_queue(running.settings, ADMIN, READER, WRITER)
    with service(running.settings, workers=0, auth="required", cache_grace_ms=0) as started:
        yield started


@pytest.fixture
def watched(browser: Browser, guarded: Service) -> Iterator[Watched]:
    with watched_page(browser, guarded.url) as page:
        page.allowed = ["status of 401", "status of 403", "/health/ready?for="]
        yield page


def sign_in(page: Page, key: TestKey) -> None:
    page.get_by_label("API key").fill(key.token)
    page.get_by_role("button", name="Sign in").click()


def panel(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def test_a_key_is_traded_for_a_session_that_acts_as_the_key(watched: Watched) -> None:
    page = watched.page
    page.goto("/?from=-8d")
    assert_in_the_middle(page, page.get_by_role("main").locator("form"))
    sign_in(page, READER)
    rows = page.locator("[role=grid][aria-busy=false] [aria-selected]")
    expect(rows.first).to_be_visible()
    expect(page.get_by_role("region", name="component", exact=True)).to_contain_text("billing")
    expect(page.get_by_role("region", name="component", exact=True)).not_to_contain_text("auth")
    [cookie] = page.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert READER.token not in cookie["value"]
    assert page.evaluate("() => [localStorage.length, sessionStorage.length]") == [0, 0]
    page.reload()
    expect(rows.first).to_be_visible()
    page.get_by_title("who is signed in").click()
    expect(page.get_by_role("dialog").locator("dl")).to_have_css("display", "grid")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.context.cookies() == []


def assert_in_the_middle(page: Page, form: Locator) -> None:
    expect(form).to_be_visible()
    [box, whole] = form.bounding_box(), page.viewport_size
    assert box
    assert whole
    assert box["width"] > 400
    assert abs(box["x"] + box["width"] / 2 - whole["width"] / 2) < 10
    assert abs(box["y"] + box["height"] / 2 - whole["height"] / 2) < 10


def test_a_wrong_key_is_refused_and_told(watched: Watched) -> None:
    watched.page.goto("/")
    sign_in(watched.page, new_key())
    expect(watched.page.get_by_role("alert")).to_be_visible()


def test_who_signs_in_is_signed_in_in_another_tab_too(watched: Watched) -> None:
    page = watched.page
    page.goto("/?from=-8d")
    expect(page.get_by_label("API key")).to_be_visible()
    other = page.context.new_page()
    other.goto("/?from=-8d")
    sign_in(other, READER)
    expect(other.get_by_title("who is signed in")).to_be_visible()
    other.close()
    page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_title("who is signed in")).to_be_visible()


def test_a_key_that_may_not_read_is_told_so_and_nothing_is_counted(watched: Watched) -> None:
    page = watched.page
    page.goto("/")
    sign_in(page, WRITER)
    expect(page.get_by_role("alert").locator("code")).to_have_text("read")
    expect(page.get_by_text("Counting …")).to_have_count(0)
    expect(page.get_by_label("group by")).to_have_count(0)


def test_a_reader_is_told_what_the_operators_page_needs(watched: Watched) -> None:
    watched.page.goto("/?page=operator")
    sign_in(watched.page, READER)
    expect(watched.page.get_by_text(re.compile("observe|admin")).first).to_be_visible()


def test_a_dead_letter_is_read_and_replayed_once_its_reason_is_mended(
    watched: Watched, guarded: Service, running: Service
) -> None:
    with short_engine(running.settings.database_url) as engine:
        refuse(engine, "22000", "refused", said="this message is refused")
    good = [{"component": "c", "environment": "e", "message": f"good {n}"} for n in range(30)]
    bad = {"component": "letter", "environment": "e", "message": "refused"}
    answer = running.http.post("/events/batch", json=[*good, bad])
    assert answer.status_code == 202, answer.text
    event_id = answer.json()["results"][-1]["id"]
    wait_until(lambda: receipt(running, event_id) == "dead", "the dead letter")
    page = watched.page
    page.goto("/?page=operator")
    sign_in(page, ADMIN)
    letters = panel(page, "dead letters")
    expect(letters).to_contain_text("this message is refused")
    letters.get_by_role("button", name=re.compile("^Show")).first.click()
    expect(letters.get_by_label("original bytes")).to_contain_text('"refused"')
    with short_engine(running.settings.database_url) as engine:
        refuse_nothing(engine)
    letters.get_by_role("checkbox", name=f"select {event_id}").check()
    letters.get_by_role("button", name=re.compile("^Replay")).click()
    page.get_by_role("dialog").get_by_role("button", name="Replay 1").click()
    expect(letters).to_contain_text("There are no dead letters")
    wait_until(lambda: receipt(running, event_id) == "stored", "the replayed event")
    expect(panel(page, "audit log")).to_contain_text("dead-letters replay")
    expect(panel(page, "every event accounted for")).to_contain_text(
        "Every accepted event is accounted for"
    )


def receipt(running: Service, event_id: str) -> object:
    return running.http.get(f"/events/{event_id}").json().get("receipt")


def test_a_key_is_made_and_revoked(watched: Watched, guarded: Service) -> None:
    page = watched.page
    page.goto("/?page=operator")
    sign_in(page, ADMIN)
    keys = panel(page, "keys")
    keys.get_by_role("button", name="New key").click()
    page.get_by_label("Name: who uses it").fill("made in the browser")
    page.get_by_role("checkbox", name=re.compile("^write")).check()
    page.get_by_role("button", name="Make the key").click()
    token = page.get_by_label("token", exact=True).input_value()
    page.get_by_role("button", name="I have kept it").click()
    wait_until(lambda: posted(guarded, token) == 202, "the new key to be known")
    keys.get_by_role("button", name="Revoke … made in the browser").click()
    page.get_by_role("button", name="Revoke it for good").click()
    wait_until(lambda: posted(guarded, token) == 401, "the key to be revoked")


def posted(guarded: Service, token: str) -> int:
    event = {"component": "c", "environment": "e", "message": "of a new key"}
    headers = {"authorization": f"Bearer {token}"}
    return guarded.http.post("/events", json=event, headers=headers).status_code
