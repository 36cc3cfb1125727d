"""The explorer's page, as a person sees it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from playwright.sync_api import Locator, Page, expect

from tests.support.watched_page import Watched


@dataclass(frozen=True)
class Explorer:
    """One page of the history."""

    watched: Watched

    @property
    def page(self) -> Page:
        """Return the browser's page."""
        return self.watched.page

    @property
    def question(self) -> Locator:
        """Return the field of the question."""
        return self.page.get_by_role("combobox", name="question")

    @property
    def chips(self) -> Locator:
        """Return the chips of the question's terms."""
        return self.page.get_by_role("list", name="filters").get_by_role("listitem")

    @property
    def grid(self) -> Locator:
        """Return the grid of the rows, once it is not being asked for."""
        return self.page.locator("[role=grid][aria-busy=false]")

    @property
    def rows(self) -> Locator:
        """Return the rows that are in the document."""
        return self.grid.locator("[role=row][aria-selected]")

    @property
    def detail(self) -> Locator:
        """Return the panel of the selected event."""
        return self.page.get_by_role("complementary", name="the selected event")

    @property
    def total(self) -> Locator:
        """Return the number of events that are counted, while it is not out of date."""
        return self.page.locator(".summary:not(.old) b")

    @property
    def summary(self) -> Locator:
        """Return the line of figures, whether it is out of date or not."""
        return self.page.locator(".summary")

    def open(self, **view: object) -> None:
        """Open a view, and wait for its rows."""
        self.page.goto(f"/?{urlencode(view, doseq=True)}")
        self.settle()

    def settle(self) -> None:
        """Wait until rows and figures are there."""
        expect(self.grid).to_be_visible()
        expect(self.total).to_be_visible()

    def ask(self, text: str) -> None:
        """Ask a question as one types it."""
        self.question.fill(text)
        self.question.press("Enter")
        self.expect_view(q=text)
        self.settle()

    def facet(self, field: str) -> Locator:
        """Return the counts of a field's values."""
        return self.page.get_by_role("region", name=field, exact=True)

    def only(self, field: str, value: str) -> Locator:
        """Return the button of a facet that asks for this value alone."""
        return self.facet(field).get_by_title(f"only {field} {value}", exact=True)

    def cell(self, row: int, column: int) -> Locator:
        """Return a cell of the rows in the document."""
        return self.rows.nth(row).get_by_role("gridcell").nth(column)

    def view(self) -> dict[str, Any]:
        """Return what the address says, of each name the last value."""
        found = parse_qs(urlsplit(self.page.url).query, keep_blank_values=True)
        return {name: values[-1] for name, values in found.items()}

    def expect_view(self, **parts: str) -> None:
        """Wait until the address says this; an empty text: nothing."""

        def says(address: str) -> bool:
            found = parse_qs(urlsplit(address).query)
            return all(found.get(name, [""])[-1] == text for name, text in parts.items())

        self.page.wait_for_url(says)

    def expect_total(self, count: int) -> None:
        """Wait until the page tells this number of events."""
        expect(self.total).to_have_text(f"{count:,}")

    def expect_no_figures(self) -> None:
        """Wait until the page tells no number, and says nothing of one."""
        expect(self.summary.locator("b")).to_have_count(0)
        expect(self.summary).not_to_contain_text(re.compile("exact|stored|event"))
        expect(self.page.locator(".histogram canvas")).to_have_count(0)

    @contextmanager
    def answer(self, path: str) -> Iterator[list[Any]]:
        """Hold the bodies of the answers to a path that come while the block runs."""
        found: list[Any] = []
        with self.page.expect_response(lambda one: urlsplit(one.url).path == path) as answer:
            yield found
        found.append(answer.value.json())
