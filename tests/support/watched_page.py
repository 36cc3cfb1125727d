"""A page in the browser that notes all that may not happen in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, expect

from testbed.chromium import DEADLINE_MS, DESKTOP

# The page's policy does not hold for this script.
_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  reportViolation(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`);
});
"""

PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}

expect.set_options(timeout=DEADLINE_MS)


@dataclass
class Watched:
    """A page of a service, and what happened in it that may not: `faults`.

    `allowed` are texts; a fault that contains one of them is expected by the test.
    """

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Note the faults of all pages of the context."""
        context.expose_binding("reportViolation", lambda _, text: self._note("policy", text))
        context.add_init_script(_REPORT_VIOLATIONS)
        context.on("request", lambda request: self._request(request.url))
        context.on("console", self._console)
        context.on("weberror", lambda thrown: self._note("error", stack_of(thrown.error)))

    def unexpected(self) -> list[str]:
        """Return the faults that the test has not allowed."""
        return [fault for fault in self.faults if not any(text in fault for text in self.allowed)]

    def _note(self, kind: str, what: object) -> None:
        self.faults.append(f"{kind}: {what}")

    def _request(self, url: str) -> None:
        self.requested.append(url)
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != urlsplit(self.url).netloc:
            self._note("foreign request", url)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"console {message.type}", f"{message.text} {message.location}")


def stack_of(error: Error) -> str:
    """Return what the error says, and where it was thrown."""
    return f"{error.message}\n{error.stack or ''}"


@contextmanager
def watched_page(browser: Browser, url: str, **options: Any) -> Iterator[Watched]:
    """Open a page in a context of its own; no fault may have happened at the end of the block."""
    given = {**DESKTOP, **options}
    with browser.new_context(base_url=url, **given) as context:
        context.set_default_timeout(DEADLINE_MS)
        watched = Watched(context.new_page(), url)
        watched.watch(context)
        yield watched
        faults = watched.unexpected()
        assert not faults, "\n".join(faults)
