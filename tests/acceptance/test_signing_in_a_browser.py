"""Sign in and out in a real browser, against a service that needs keys."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from storage.access.api_key import Scope
from storage.access.token import new_token
from storage.settings import StorageSettings
from testbed.chromium import INSTALL, chromium, chromium_path
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.keys import client, new_key, put_on_queue, revoked
from tests.support.relayed import RelayedServers, relayed_servers
from tests.support.watched_page import Watched, watched_page

EVENT = {"component": "billing", "environment": "test", "message": "Invoice 1042 was paid"}
READER = new_key(Scope.READ, components=("billing",))
DOOMED = new_key(Scope.READ)
WRITER = new_key(Scope.WRITE)
_REFUSED = "status of 401"  # what the browser itself says of an answer


@pytest.fixture(scope="module")
def relayed(servers: TestServers) -> Iterator[RelayedServers]:
    with servers.fresh() as fresh, relayed_servers(fresh) as found:
        yield found


@pytest.fixture(scope="module")
def settings(relayed: RelayedServers) -> StorageSettings:
    return relayed.settings


@pytest.fixture(scope="module")
def guarded(settings: StorageSettings) -> Iterator[Service]:
    put_on_queue(settings, READER, DOOMED, WRITER)
    with service(settings, auth="required", cache_grace_ms=0) as started:
        with client(started, WRITER) as http:
            posted = http.post("/events", params={"ack": "stored"}, json=EVENT)
            assert posted.status_code in (201, 202)
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium_path()
    if path is None:
        pytest.skip(f"no Chromium: {INSTALL}")
    with chromium(path) as started:
        yield started


@pytest.fixture
def watched(browser: Browser, guarded: Service) -> Iterator[Watched]:
    with watched_page(browser, guarded.url) as page:
        yield page


def type_key(watched: Watched, token: str) -> None:
    watched.page.get_by_label("API key").fill(token)
    watched.page.get_by_role("button", name="Sign in").click()


def sign_in(watched: Watched, token: str) -> None:
    watched.page.goto("/")
    type_key(watched, token)
    expect(watched.page.get_by_text("Invoice 1042 was paid").first).to_be_visible()


def kept_by(watched: Watched) -> str:
    """Return all that scripts of the page can find."""
    script = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location])"
    found: str = watched.page.evaluate(script)
    return found + watched.page.content()


def test_a_key_shows_the_history_and_stays_nowhere(watched: Watched) -> None:
    page = watched.page
    page.goto("/?q=component:billing")
    expect(page.get_by_label("API key")).to_be_focused()
    assert not [url for url in watched.requested if "/events" in url]  # nothing was refused
    type_key(watched, f"  {READER.token} ")
    expect(page.get_by_text("Invoice 1042 was paid").first).to_be_visible()
    assert READER.token[13:] not in kept_by(watched)
    assert "acts_" not in kept_by(watched)
    assert not [url for url in watched.requested if READER.token in url]
    page.reload()
    expect(page.get_by_text("Invoice 1042 was paid").first).to_be_visible()
    [cookie] = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"]) == ("activity-session", True)
    assert cookie["sameSite"] == "Strict"


def test_a_wrong_key_is_told_and_may_be_corrected(watched: Watched) -> None:
    watched.allowed.append(_REFUSED)
    watched.page.goto("/")
    type_key(watched, new_token())
    expect(watched.page.get_by_role("alert")).to_contain_text("not valid")
    type_key(watched, READER.token)
    expect(watched.page.get_by_text("Invoice 1042 was paid").first).to_be_visible()


def test_who_is_signed_in_can_see_it_and_sign_out(watched: Watched, guarded: Service) -> None:
    watched.allowed.append(_REFUSED)  # a request that is under way when the session ends
    page = watched.page
    sign_in(watched, READER.token)
    [cookie] = page.context.cookies()
    page.get_by_title("who is signed in").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(READER.key.id)
    expect(dialog).to_contain_text("billing")
    dialog.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.context.cookies() == []
    copy = {"cookie": f"activity-session={cookie['value']}"}
    with client(guarded) as http:
        assert http.get("/events", headers=copy).status_code == 401
    page.reload()
    expect(page.get_by_label("API key")).to_be_visible()


def test_when_the_key_is_revoked_the_page_asks_for_another_one(
    watched: Watched, guarded: Service, settings: StorageSettings
) -> None:
    watched.allowed += [_REFUSED, "ERR_"]  # a stream that was open is ended
    page = watched.page
    sign_in(watched, DOOMED.token)
    put_on_queue(settings, revoked(DOOMED))
    with client(guarded, DOOMED) as http:
        wait_until(lambda: http.get("/events").status_code == 401, "the key to be revoked")
    page.goto("/?q=component:billing")
    expect(page.get_by_label("API key")).to_be_visible()
    type_key(watched, READER.token)
    expect(page.get_by_text("Invoice 1042 was paid").first).to_be_visible()


def test_a_restart_of_the_service_signs_nobody_out(watched: Watched, guarded: Service) -> None:
    watched.allowed += ["ERR_", "status of 5"]  # while no process listens
    page = watched.page
    sign_in(watched, READER.token)
    guarded.http.close()
    [api] = guarded.apis
    api.kill()
    api.wait(60)
    guarded.apis.clear()
    guarded.start_api()
    guarded.http = httpx.Client(base_url=guarded.url, timeout=120, trust_env=False)
    wait_until(lambda: guarded.answers("/health/ready"), "the next process")
    page.get_by_title("show what came since").click()
    expect(page.locator(".summary:not(.old) b")).to_have_text("1")
    page.reload()
    expect(page.get_by_text("Invoice 1042 was paid").first).to_be_visible()
    expect(page.get_by_label("API key")).to_have_count(0)


def test_without_control_the_page_says_why_and_goes_on_by_itself(
    watched: Watched, relayed: RelayedServers
) -> None:
    watched.allowed += ["status of 503"]
    page = watched.page
    sign_in(watched, READER.token)
    relayed.take_away("control")
    try:
        page.get_by_title("show what came since").click()
        told = page.get_by_role("alert").filter(has_text="control does not answer")
        expect(told.first).to_be_visible()
        expect(page.get_by_text("Invoice 1042 was paid").first).to_be_visible()  # from before
        page.reload()
        expect(told).to_have_count(1)
        expect(told).not_to_contain_text("filter")  # no other question would be answered
        expect(page.get_by_label("API key")).to_have_count(0)
    finally:
        relayed.bring_back("control")
    expect(page.get_by_text("Invoice 1042 was paid").first).to_be_visible()


def test_at_the_end_of_a_session_the_page_asks_to_sign_in_and_keeps_its_view(
    browser: Browser, guarded: Service
) -> None:
    with (
        service(guarded.settings, workers=0, auth="required", session_seconds=6) as short,
        watched_page(browser, short.url) as watched,
    ):
        watched.allowed += [_REFUSED, "ERR_"]
        page = watched.page
        page.goto("/?q=component:billing")
        type_key(watched, READER.token)
        expect(page.get_by_text("Your session or its key has ended.")).to_be_visible()
        wait_until(lambda: page.context.cookies() == [], "the cookie to end")
        type_key(watched, READER.token)
        expect(page.get_by_text("Invoice 1042 was paid").first).to_be_visible()
        assert page.url.endswith("/?q=component:billing")
