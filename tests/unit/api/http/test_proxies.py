"""Where a proxy publishes the service."""

import pytest

from api.app import create_app
from api.http.proxies import Prefixes
from api.settings import ApiSettings
from storage.errors import SettingsError


def below(
    prefixes: Prefixes, path: str, forwarded: bytes | None = None, client: str | None = "127.0.0.1"
) -> tuple[str, str]:
    scope = {"type": "http", "path": path, "client": client and (client, 1)}
    found = prefixes.below(scope, forwarded)
    return found["root_path"], found["path"]


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/a/b/events", "/events"),
        ("/events", "/events"),
        ("/a/b", "/"),
        ("/a/b/", "/"),
        ("/a/bc", "/a/bc"),
    ],
)
@pytest.mark.parametrize("prefix", ["/a/b", "/a/b/"])
def test_a_prefix_may_be_left_on_the_path_or_taken_off(prefix: str, path: str, plain: str) -> None:
    assert below(Prefixes(prefix), path) == ("/a/b", plain)


@pytest.mark.parametrize("client", ["10.0.0.9", "::ffff:10.0.0.9", "2001:db8::7", None])
def test_a_trusted_proxy_names_the_prefix(client: str | None) -> None:
    prefixes = Prefixes("/fixed", ["10.0.0.0/8", "2001:db8::7"])
    assert below(prefixes, "/events", b"/told/", client) == ("/told", "/events")


@pytest.mark.parametrize("client", ["192.0.2.1", "::1"])
def test_nobody_else_is_believed(client: str) -> None:
    prefixes = Prefixes("/fixed", ["10.0.0.0/8"])
    assert below(prefixes, "/events", b"/told", client) == ("/fixed", "/events")
    assert below(Prefixes("", ["*"]), "/events", b"/told", client) == ("/told", "/events")


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"/",
        b"//evil.example",
        b"/a//b",
        b"a",
        b"/a b",
        b"/a\r\nx: y",
        b"/\xff",
        b"/" + b"a" * 300,
        b"/a, /b",
        b"/a?b",
        b"https://evil.example/a",
        b"/../..",
        b"/a/./b",
        b"/%2e%2E/a",
    ],
)
def test_what_is_no_path_is_not_taken_for_a_prefix(told: bytes) -> None:
    assert below(Prefixes("", ["*"]), "/events", told) == ("", "/events")


@pytest.mark.parametrize("wrong", ["10.0.0.1/8", "proxy", "10.0.0.0/33"])
def test_a_proxy_that_is_no_address_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(SettingsError, match="ACTIVITY_TRUSTED_PROXIES"):
        ApiSettings(_env_file=None, trusted_proxies=wrong)


@pytest.mark.parametrize("prefix", ["/..", "/a/./b", "/%2e%2e"])
def test_a_prefix_that_leads_elsewhere_is_refused_at_the_start(prefix: str) -> None:
    with pytest.raises(SettingsError, match="ACTIVITY_ROOT_PATH"):
        ApiSettings(_env_file=None, root_path=prefix)


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/events", "/events"),
        ("/events/", "/events/"),
        ("/events/batch", "/events/batch"),
        ("/events/019ab3a0-0000-7000-8000-000000000000", None),
        ("/events/events", "/events"),
        ("/events/events/batch", "/events/batch"),
        ("/events/status", "/status"),
    ],
)
def test_a_prefix_that_is_one_of_our_paths_hides_none_of_them(path: str, plain: str | None) -> None:
    assert below(Prefixes("", ["*"]), path, b"/events") == ("/events", plain or path)


def test_every_path_of_the_service_is_known_as_one() -> None:
    for route in create_app().fastapi.routes:
        path = getattr(route, "path", "/").replace(
            "{event_id:event_id}", "019ab3a0-0000-7000-8000-000000000000"
        )
        path = path.replace("{name}", "docs.js").replace("{name:path}", "table/grid.js")
        path = path.replace("{version}", "0123456789abcdef")
        if path not in ("/", "/docs/docs/docs.js"):
            assert below(Prefixes("", ["*"]), path, path.encode())[1] == path
