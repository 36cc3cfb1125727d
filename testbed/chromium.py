"""Run Debian's Chromium under Playwright, for tests and benchmarks."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

INSTALL = "apt-get install chromium fonts-noto-core fonts-noto-cjk; or CHROMIUM=/path/of/one"
DEADLINE_MS = 60_000  # other programs may keep the machine busy
DESKTOP = {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", "timezone_id": "UTC"}
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OFF = ("gpu", "lcd-text", "background-networking", "component-update", "sync", "quic")


def chromium_path() -> str | None:
    """Return where the browser is."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """Run the browser for the block. Root can't use the kernel's sandbox."""
    arguments = [f"--disable-{name}" for name in _OFF] + ["--no-first-run"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=arguments, timeout=DEADLINE_MS
        )
        try:
            yield browser
        finally:
            browser.close()
