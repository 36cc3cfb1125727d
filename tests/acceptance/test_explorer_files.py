"""The explorer as a browser gets it: its page, and files that never change."""

import gzip
import re
from urllib.parse import urljoin

import httpx
import pytest

from api.explorer.assets import Assets
from api.explorer.page import POLICY
from testbed.service import Service
from tests.support.problems import problem
from tests.support.raw_http import Raw, request

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
GZIP = {"accept-encoding": "gzip, deflate, br"}
PLAIN = {"accept-encoding": "identity"}
ASSETS = Assets()
PAGES = ["/", "/api", "/api/"]
_SCRIPT = re.compile(r'<script type="module" src="([^"]+)">')
_LOADED = re.compile(r'(?:href|src)="([^"]*explorer/[^"]+)"')


def loaded(page: httpx.Response, base: str) -> dict[str, str]:
    """Return the addresses of the files that a page loads, by their path in the folder."""
    addresses = [urljoin(base, found) for found in _LOADED.findall(page.text)]
    return {address.partition(f"{ASSETS.version}/")[2]: address for address in addresses}


@pytest.mark.parametrize("path", PAGES)
def test_a_browser_gets_the_explorer_with_every_file_it_needs(running: Service, path: str) -> None:
    page = running.http.get(path, headers=BROWSER)
    assert page.headers["content-security-policy"] == POLICY
    assert page.headers["vary"] == "accept, accept-encoding"
    files = loaded(page, f"{running.url}{path}")
    assert set(files) == {*ASSETS.modules, "icon.svg", "styles.css"}
    for name, address in files.items():
        file = running.http.get(address)
        assert file.status_code == 200, name
        assert file.content == ASSETS.files[name].content
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert file.headers["x-content-type-options"] == "nosniff"
        assert file.headers["content-type"] == f"{ASSETS.files[name].media_type}; charset=utf-8"


def test_the_page_below_a_path_that_only_the_proxy_tells(running: Service) -> None:
    told = {"x-forwarded-prefix": "/logs/v2", **BROWSER}
    page = running.http.get("/", headers=told)
    [script] = _SCRIPT.findall(page.text)
    assert script == f"/logs/v2/explorer/{ASSETS.version}/app.js"
    assert running.http.get(script, headers=told).status_code == 200
    assert page.headers["etag"] != running.http.get("/", headers=BROWSER).headers["etag"]


def test_what_compression_makes_smaller_is_sent_compressed_to_who_accepts_it(
    running: Service,
) -> None:
    script = f"/explorer/{ASSETS.version}/vendor/preact.mjs"
    with Raw(running) as raw:
        for path, more in ((b"/", b"Accept: text/html"), (script.encode(), b"Accept: */*")):
            raw.send(request(b"", b"GET", path, more, b"Accept-Encoding: gzip"))
            found = raw.answer("GET")
            assert found.headers["content-encoding"] == "gzip"
            assert "accept-encoding" in found.headers["vary"]
            plain = running.http.get(
                path.decode(), headers={**PLAIN, "accept": more.decode().partition(": ")[2]}
            )
            assert "content-encoding" not in plain.headers
            assert gzip.decompress(found.body) == plain.content
            assert len(found.body) < len(plain.content)


def test_the_page_is_asked_for_each_time_and_sent_only_if_it_has_changed(running: Service) -> None:
    first = running.http.get("/", headers=BROWSER)
    assert first.headers["cache-control"] == "no-cache"
    again = running.http.get("/", headers={**BROWSER, "if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == POLICY
    other = running.http.get("/", headers={**BROWSER, "if-none-match": '"x"'})
    assert (other.status_code, other.content) == (200, first.content)


def test_only_the_files_of_this_version_are_served(running: Service) -> None:
    folder = f"/explorer/{ASSETS.version}"
    for path in (
        "/explorer/0123456789abcdef/app.js",
        f"{folder}/nothing.js",
        f"{folder}/README.md",
        f"{folder}/index.html",
        f"{folder}/vendor/HASHES",
        f"{folder}/../page.py",
        f"{folder}/..%2f..%2fpage.py",
        f"{folder}/%00",
        "/explorer",
    ):
        found = running.http.get(path)
        problem(found, 404)
        assert "immutable" not in found.headers.get("cache-control", "")
    assert running.http.head(f"{folder}/app.js").status_code == 200
    assert running.http.post(f"{folder}/app.js").status_code == 405


def test_the_page_says_what_there_is_to_a_browser_without_javascript(running: Service) -> None:
    text = running.http.get("/", headers=BROWSER).text
    assert "needs JavaScript" in text
    assert 'href="docs"' in text
