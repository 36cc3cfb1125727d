"""Measure the explorer in a browser: first rows, a change of the filters, the size of its files.

The browser asks the service directly, on the history that is read. A change of the filters is a
click on a component in a facet, with rows that nobody has asked for; it is measured in the page,
until they are there. Beside it stands the time of the page's request for these rows.
"""

from collections.abc import Sequence

from playwright.sync_api import Browser, Page

from api.explorer.assets import ICON, STYLES, VENDOR, Assets
from api.explorer.page import Pages
from benchmarks.bench import Bench
from benchmarks.figures import Figure, Part
from benchmarks.history import FIRST_DAY
from benchmarks.rounds import percentile, spread
from testbed.chromium import DEADLINE_MS, DESKTOP, INSTALL, chromium, chromium_path
from testbed.service import service

_LOADS = 3  # of the page, a round
_ENVIRONMENTS = ("production", "staging", "development", "qa")
_COMPONENTS = 10  # that are shown without a click
_ONLY = "[aria-label=component] button.only"
_BROWSER = ("explore_first_rows", "explore_filter")
_ROWS = "[role=grid][aria-busy=false] [role=gridcell]"
_CHANGE = """async (button) => {
  const value = button.querySelector(".name").textContent;
  const start = performance.now();
  button.click();
  const isThere = () => {
    const rows = document.querySelectorAll("[role=grid][aria-busy=false] [aria-selected]");
    return rows.length > 0 && [...rows].every((row) => row.children[1].textContent === value);
  };
  while (!isThere()) await new Promise(requestAnimationFrame);
  const ms = performance.now() - start;
  const asked = performance.getEntriesByType("resource").filter((entry) =>
    entry.startTime >= start && new URL(entry.name).pathname === "/events");
  return [ms, asked.at(-1).responseEnd - asked.at(-1).requestStart];
}"""


def measure(bench: Bench) -> Part:
    """Measure all figures of this part; those of the browser only where there is one."""
    sizes, whole = _sizes()
    path = chromium_path()
    if path is None:
        return Part(
            "exploring",
            sizes,
            {"all files of ours": whole},
            dict.fromkeys(_BROWSER, f"no Chromium: {INSTALL}"),
        )
    settings = bench.history(bench.pace.read)
    bench.empty_queue()
    with service(settings, workers=0) as ours, chromium(path) as browser:
        window = f"?from={FIRST_DAY:%FT%TZ}&to={bench.pace.read.end:%FT%TZ}"
        loads = bench.pace.rounds * _LOADS
        first = [_first_rows(browser, ours.url + "/" + window) for _ in range(loads)]
        changes = _changes(browser, ours.url + "/" + window)
    page_ms, api_ms = zip(*changes, strict=True)
    figures = [
        Figure("explore_first_rows", spread(first)),
        Figure("explore_filter", spread([percentile(page_ms, 0.5)])),
        *sizes,
    ]
    details = {
        "first rows": _details(first),
        "filter change": _details(page_ms),
        "its request for rows": _details(api_ms),
        "all files of ours": whole,
    }
    return Part("exploring", figures, details)


def _sizes() -> tuple[list[Figure], dict[str, float]]:
    """Return the KiB that the browser gets: of libraries, of ours for a cold load; of all ours."""
    assets = Assets()
    page = Pages(assets, "1.0").below("")
    sent = {path: len(asset.gzipped or asset.content) for path, asset in assets.files.items()}
    libraries = {path for path in sent if path.startswith(f"{VENDOR}/")}
    cold = {*assets.modules, STYLES, ICON} - libraries
    kib = {
        name: (begun + sum(sent[path] for path in paths)) / 1024
        for name, begun, paths in (
            ("explore_libraries", 0, libraries),
            ("explore_files", len(page.gzipped or page.content), cold),
            ("all", len(page.gzipped or page.content), sent.keys() - libraries),
        )
    }
    whole = {"compressed_kib": kib.pop("all")}
    return [Figure(key, spread([one])) for key, one in kib.items()], whole


def _first_rows(browser: Browser, url: str) -> float:
    """Return the milliseconds from asking for the page until its rows are there: nothing cached."""
    with browser.new_context(**DESKTOP) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(url, wait_until="commit")
        page.locator(_ROWS).first.wait_for(timeout=DEADLINE_MS)
        return float(page.evaluate("() => performance.now()"))


def _changes(browser: Browser, url: str) -> list[tuple[float, float]]:
    """Return the milliseconds of changes, and of their requests for rows."""
    with browser.new_context(**DESKTOP) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.set_default_timeout(DEADLINE_MS)
        asked = (f"{url}&q=environment:{name}" for name in _ENVIRONMENTS)
        return [_change(page, one, number) for one in asked for number in range(_COMPONENTS)]


def _change(page: Page, url: str, number: int) -> tuple[float, float]:
    """Choose the component of this number, by how frequent it is."""
    page.goto(url)
    page.locator(_ROWS).first.wait_for()
    button = page.locator(_ONLY).nth(number)
    ms, api_ms = button.evaluate(_CHANGE)
    return ms, api_ms


def _details(found: Sequence[float]) -> dict[str, float]:
    return {
        "p50_ms": percentile(found, 0.5),
        "p99_ms": percentile(found, 0.99),
        "max_ms": max(found),
        "asked": len(found),
    }
