"""How a path may be spelt."""

import pytest

from api.http.paths import is_route, plain_path, spellings

SPELLINGS = {"/status", "/status/", "/api/status", "/api/status/"}


@pytest.mark.parametrize("path", sorted(SPELLINGS))
def test_every_spelling_of_a_path_means_the_same_route(path: str) -> None:
    assert plain_path(path) == "/status"
    assert is_route(path)


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/", "/"),
        ("/api", "/"),
        ("/api/", "/"),
        ("", "/"),
        ("/apis", "/apis"),
        ("/api/api/events", "/api/events"),
        ("/events//", "/events/"),
    ],
)
def test_only_one_prefix_and_one_slash_are_taken_off(path: str, plain: str) -> None:
    assert plain_path(path) == plain
    assert not is_route(path)


def test_the_prefix_of_a_proxy_may_be_left_on_or_taken_off() -> None:
    assert spellings("/status") == SPELLINGS
    assert spellings("/status", "/a") == SPELLINGS | {"/a" + path for path in SPELLINGS}
