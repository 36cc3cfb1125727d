"""Make the pictures of the explorer in `docs/images/`: `make screenshots`.

They show a service that this command starts and fills, in the looks of the page.
"""

import asyncio
import math
import re
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect

from storage.minute_samples import MinuteSamples
from storage.redis.client import connect_async
from storage.settings import StorageSettings
from testbed.chromium import INSTALL, chromium, chromium_path
from testbed.servers import test_servers
from testbed.service import Service, service
from tests.browser.explorer import Explorer
from tests.browser.history import load
from tests.support.watched_page import PHONE, watched_page

FOLDER = Path(__file__).parents[2] / "docs/images"
MOST_BYTES = 200 * 1024
_SCREEN = {"viewport": {"width": 1200, "height": 700}}
_QUESTION = {"from": "-7d", "q": "component:(checkout OR payments) -environment:qa"}


def main() -> int:
    """Make all pictures. Returns 1 where there is no browser."""
    path = chromium_path()
    if path is None:
        print(f"no Chromium: {INSTALL}", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    with test_servers() as servers, servers.fresh() as settings:
        asyncio.run(write_minutes(settings))
        with service(settings) as running:
            load(running)
            with chromium(path) as browser:
                history(browser, running, "light", color_scheme="light")
                history(browser, running, "dark", color_scheme="dark")
                phone(browser, running)
                operator(browser, running)
    return 0


async def write_minutes(settings: StorageSettings) -> None:
    """Write samples of the last hour, as if the service had run for so long."""
    samples = MinuteSamples(connect_async(settings.control_url))
    now = int(await samples.now()) // 60
    accepted = 0
    for minute in range(now - 61, now + 10):
        accepted += round(1_900 + 700 * math.sin(minute / 9) + 260 * math.sin(minute * 2.3))
        counts = {"queue": (accepted,), "ledger": (accepted, 0, 0), "rejected:1": (minute // 7,)}
        await samples.add(minute, counts)
    await samples.close()


def history(browser: Browser, running: Service, name: str, **look: Any) -> None:
    """Show the history, grouped, with an event opened."""
    with watched_page(browser, running.url, **_SCREEN, **look) as watched:
        explorer = Explorer(watched)
        explorer.open(**_QUESTION, group="environment")
        explorer.rows.nth(4).click()
        expect(explorer.detail).to_contain_text("stored: in PostgreSQL")
        save(explorer, name)


def phone(browser: Browser, running: Service) -> None:
    """Show the history on a phone."""
    with watched_page(browser, running.url, **{**PHONE, "device_scale_factor": 1}) as watched:
        explorer = Explorer(watched)
        explorer.open(**_QUESTION)
        save(explorer, "phone")


def operator(browser: Browser, running: Service) -> None:
    """Show the operator's page."""
    with watched_page(browser, running.url, **_SCREEN) as watched:
        explorer = Explorer(watched)
        watched.page.goto("/?page=operator")
        expect(watched.page.get_by_text(re.compile("accounted for")).last).to_be_visible()
        expect(watched.page.get_by_text("Asking …")).to_have_count(0)
        save(explorer, "operator")


def save(explorer: Explorer, name: str) -> None:
    """Write the picture once nothing on the page is out of date."""
    expect(explorer.page.locator("[aria-busy=true], .old, .outdated")).to_have_count(0)
    file = FOLDER / f"explorer-{name}.png"
    explorer.page.screenshot(path=file)
    size = file.stat().st_size
    print(f"{file.relative_to(FOLDER.parents[1])}: {size // 1024} KiB")
    assert size < MOST_BYTES, f"{file} has over {MOST_BYTES} bytes"


if __name__ == "__main__":
    sys.exit(main())
