"""Test the pages for people: a browser loads and runs nothing from elsewhere."""

import re
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

import api
from api.routes.pages import VERSION
from testbed.service import Service
from tests.support.problems import problem

STATIC = Path(api.__file__).parent / "routes/static"
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PAGES = ["/", "/api", "/api/", "/docs", "/docs/", "/api/docs", "/api/docs/"]
_ADDRESSES = re.compile(r'(?:href|src)="([^"]+)"')


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_and_links_only_what_the_service_itself_has(
    running: Service, path: str
) -> None:
    page = running.http.get(path, headers=BROWSER)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    addresses = _ADDRESSES.findall(page.text)
    assert len(addresses) >= 4
    for address in addresses:
        assert not urlsplit(address).netloc
        assert not address.startswith("/")  # whatever prefix a proxy has
        assert running.http.get(urljoin(f"{running.url}{path}", address)).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_a_page_may_run_no_script_but_the_services_own(running: Service, path: str) -> None:
    page = running.http.get(path, headers=BROWSER)
    policy = page.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "<script>" not in page.text
    assert not re.search(r"<style| style=| on\w+=", page.text)


def test_the_files_of_the_pages_have_the_right_media_types(running: Service) -> None:
    for name, kind in (
        ("swagger-ui-bundle.js", "text/javascript"),
        ("swagger-ui.css", "text/css"),
        ("docs.js", "text/javascript"),
    ):
        file = running.http.get(f"/docs/{name}")
        assert file.headers["content-type"].startswith(kind)
        assert file.headers["x-content-type-options"] == "nosniff"
        assert int(file.headers["content-length"]) == len(file.content) > 100
    for name in ("redoc.standalone.js", "..%2fpages.py", "docs.html", "%00"):
        problem(running.http.get(f"/docs/{name}"), 404)


def test_our_own_pages_name_no_other_host() -> None:
    files = list(STATIC.iterdir())
    assert len(files) == 2
    for file in files:
        assert "//" not in re.sub(r"^ *//.*$", "", file.read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("path", ["/", "/api/"])
def test_a_program_gets_the_list_of_paths_as_json(running: Service, path: str) -> None:
    for headers in ({}, {"accept": "application/json"}, {"accept": "*/*"}):
        answer = running.http.get(path, headers=headers)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["vary"] == "accept"
        assert answer.json()["version"] == VERSION
        for link in answer.json()["links"].values():
            assert running.http.options(link).status_code == 204
