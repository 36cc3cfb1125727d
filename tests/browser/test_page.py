"""What the browser loads and may do: all from the service, and nothing from anywhere else."""

from urllib.parse import urlsplit

from playwright.sync_api import Page, Response, expect

from testbed.service import Service
from tests.support.watched_page import Watched

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
_TRANSFERRED = """() => performance.getEntriesByType("resource")
  .filter((entry) => entry.name.includes("/explorer/") && entry.transferSize > 0)
  .map((entry) => entry.name)"""


def policy(response: Response) -> dict[str, str]:
    """Return the policy's directives with their values."""
    directives = response.headers["content-security-policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


def test_the_page_loads_with_its_policy_and_without_any_fault(page: Page) -> None:
    response = page.goto("/")
    assert response is not None
    assert policy(response) == POLICY
    assert response.headers["x-content-type-options"] == "nosniff"
    expect(page).to_have_title("Activity")
    expect(page.get_by_role("row")).not_to_have_count(0)


def test_every_file_has_a_hashed_name_and_is_loaded_once(watched: Watched) -> None:
    answers: list[Response] = []
    watched.page.on("response", lambda answer: answers.append(answer))
    watched.page.goto("/")
    expect(watched.page.get_by_role("row")).not_to_have_count(0)
    files = [answer for answer in answers if "/explorer/" in answer.url]
    assert files
    assert len({urlsplit(file.url).path.split("/")[2] for file in files}) == 1
    for file in files:
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
    watched.page.goto("/?by=occurred_at")
    expect(watched.page.get_by_role("row")).not_to_have_count(0)
    assert watched.page.evaluate(_TRANSFERRED) == []


def test_the_page_can_be_put_in_no_frame(watched: Watched, running: Service) -> None:
    watched.allowed += ["frame-ancestors", "policy:", "favicon.ico"]
    watched.page.goto("/health")
    watched.page.evaluate(
        """() => {
          const frame = document.createElement("iframe");
          document.body.append(Object.assign(frame, { src: "/" }));
        }"""
    )
    frame = watched.page.frames[-1]
    frame.wait_for_load_state()
    assert not frame.url.startswith(running.url)
