"""Find faults of accessibility with axe-core."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

_SCRIPT = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
_RUN = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, help, nodes }) => ({
    id, help, nodes: nodes.map(({ html, failureSummary }) => [html, failureSummary]),
  }));
}"""


def require_axe() -> None:
    """Skip the test where axe is not installed."""
    if not _SCRIPT.exists():
        pytest.skip("no axe-core: make check-js installs it, where Node.js is (make node)")


def axe_faults(page: Page) -> str:
    """Return what axe finds, as text; the page's context must bypass the policy."""
    page.add_script_tag(path=_SCRIPT)
    found: list[dict[str, Any]] = page.evaluate(_RUN)
    return "\n".join(json.dumps(each) for each in found)
