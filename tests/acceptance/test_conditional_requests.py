"""Test ETag, If-None-Match and X-Cache: an unchanged page is not sent twice, a changed one is."""

import secrets

import httpx
import pytest

from testbed.service import Service


@pytest.fixture
def component(running: Service) -> str:
    """Return a component with one stored event."""
    name = f"c-{secrets.token_hex(6)}"
    running.wait_stored(post(running, name))
    return name


def post(running: Service, component: str) -> object:
    return running.post(component=component, environment="e", message="m")["id"]


def page(running: Service, component: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return running.http.get("/events", params={"component": component}, headers=named)


def assert_unchanged(answer: httpx.Response, etag: str) -> None:
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == etag
    assert "content-type" not in answer.headers


def test_a_page_is_read_once_and_then_comes_from_the_cache(
    running: Service, component: str
) -> None:
    first, second = page(running, component), page(running, component)
    assert (first.headers["x-cache"], second.headers["x-cache"]) == ("MISS", "HIT")
    assert first.content == second.content
    assert first.headers["etag"] == second.headers["etag"]
    assert first.headers["etag"].startswith('"')
    assert first.headers["cache-control"] == "no-cache"


def test_equal_queries_in_different_forms_share_a_cached_page(
    running: Service, component: str
) -> None:
    page(running, component)
    other = running.http.get(f"/api/events/?limit=100&email=&component={component}&order=DESC")
    assert other.headers["x-cache"] == "HIT"


@pytest.mark.parametrize(
    "form",
    ["{}", "W/{}", '"other", {}', '{}, "other"', '"a","b",W/{},"c"', "*", 'W/"x" ,  {}'],
)
def test_a_page_that_the_client_has_is_not_sent_again(
    running: Service, component: str, form: str
) -> None:
    etag = page(running, component).headers["etag"]
    assert_unchanged(page(running, component, if_none_match=form.format(etag)), etag)


def test_tags_on_several_lines_are_one_list(running: Service, component: str) -> None:
    etag = page(running, component).headers["etag"]
    lines = [("if-none-match", '"other"'), ("if-none-match", etag)]
    answer = running.http.get("/events", params={"component": component}, headers=lines)
    assert_unchanged(answer, etag)


@pytest.mark.parametrize("tag", ['"other"', "", "W/", "nonsense", '""', ",,,", '"*"'])
def test_another_tag_gets_the_page(running: Service, component: str, tag: str) -> None:
    answer = page(running, component, if_none_match=tag)
    assert answer.status_code == 200
    assert len(answer.json()["events"]) == 1


def test_a_tag_without_its_quotes_gets_the_page(running: Service, component: str) -> None:
    etag = page(running, component).headers["etag"]
    assert page(running, component, if_none_match=etag.strip('"')).status_code == 200


def test_a_matching_event_changes_the_page_and_its_tag(running: Service, component: str) -> None:
    before = page(running, component)
    event_id = post(running, component)
    running.wait_stored(event_id)
    after = page(running, component, if_none_match=before.headers["etag"])
    assert after.status_code == 200
    assert after.headers["x-cache"] == "MISS"
    assert after.headers["etag"] != before.headers["etag"]
    assert after.json()["events"][0]["id"] == event_id
    again = page(running, component, if_none_match=after.headers["etag"])
    assert_unchanged(again, after.headers["etag"])


def test_an_event_that_does_not_match_leaves_the_page_in_the_cache(
    running: Service, component: str
) -> None:
    before = page(running, component)
    running.wait_stored(post(running, f"other-{component}"))
    after = page(running, component, if_none_match=before.headers["etag"])
    assert_unchanged(after, before.headers["etag"])
    assert after.headers["x-cache"] == "HIT"


def test_pages_that_differ_in_content_have_different_tags(running: Service, component: str) -> None:
    full, empty = page(running, component), page(running, f"no-{component}")
    assert full.headers["etag"] != empty.headers["etag"]


def test_head_tells_the_tag_without_the_page(running: Service, component: str) -> None:
    etag = page(running, component).headers["etag"]
    path = f"/events?component={component}"
    head = running.http.head(path)
    assert (head.status_code, head.headers["etag"], head.content) == (200, etag, b"")
    unchanged = running.http.head(path, headers={"if-none-match": etag})
    assert (unchanged.status_code, unchanged.headers["etag"]) == (304, etag)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("tag", ["none", "the page's", '"other"'])
def test_the_fast_path_answers_as_the_route_does(
    running: Service, component: str, method: str, tag: str
) -> None:
    etag = page(running, component).headers["etag"]
    told = {} if tag == "none" else {"if-none-match": etag if tag == "the page's" else tag}
    quick = running.http.request(method, f"/events?component={component}", headers=told)
    # Empty pairs have no effect, but so long a query is not for the fast path.
    path = f"/events?component={component}{'&' * 2_000}"
    thorough = running.http.request(method, path, headers=told)
    assert quick.headers["x-cache"] == "HIT"
    assert quick.status_code == thorough.status_code
    assert quick.content == thorough.content
    different = {"date"}
    assert {k: v for k, v in quick.headers.items() if k not in different} == {
        k: v for k, v in thorough.headers.items() if k not in different
    }
