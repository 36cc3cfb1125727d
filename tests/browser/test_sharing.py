"""Export, the same question as a command line, links and named views."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from testbed.service import Service
from tests.browser.explorer import Explorer

# A page of a headless browser can ask for no file: it holds the export, as other browsers do.
_NO_FILES = "delete window.showSaveFilePicker"


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_an_export_has_just_the_events_of_the_view(
    explorer: Explorer, running: Service, form: str, tmp_path: Path
) -> None:
    q = "component:catalog environment:staging"
    explorer.page.add_init_script(_NO_FILES)
    explorer.open(**{"from": "-8d", "q": q, "panel": "export"})
    dialog = explorer.page.get_by_role("dialog")
    if form == "csv":
        dialog.get_by_role("radio", name="CSV").check()
    with explorer.page.expect_download() as download:
        dialog.get_by_role("button", name="Export", exact=True).click()
    expect(dialog.get_by_text("Whole: ")).to_be_visible()
    file = tmp_path / "events"
    download.value.save_as(file)
    wanted = running.http.get("/events/export", params={"q": q, "format": "ndjson"}).text
    ids = [json.loads(line)["id"] for line in wanted.splitlines()]
    text = file.read_text()
    found = (
        [json.loads(line)["id"] for line in text.splitlines()]
        if form == "ndjson"
        else [row["id"] for row in csv.DictReader(text.splitlines())]
    )
    assert found == ids
    assert len(ids) > 100


@pytest.mark.parametrize("command", ["curl", "activity query"])
def test_the_same_question_is_a_command_line_that_works(
    explorer: Explorer, running: Service, command: str, tmp_path: Path
) -> None:
    q = 'component:catalog "declined by"'
    explorer.open(**{"from": "-8d", "q": q, "panel": "export"})
    line = explorer.page.get_by_label(command, exact=True).inner_text()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**running.env, "PATH": path}
    subprocess.run(["sh", "-c", line], cwd=tmp_path, env=environment, check=True)
    [file] = tmp_path.iterdir()
    events = [json.loads(row) for row in file.read_text().splitlines()]
    found = running.http.get("/events/stats", params={"q": q, "interval": "day"}).json()
    assert len(events) == found["total"] > 0
    assert {event["component"] for event in events} == {"catalog"}


def test_a_link_shows_the_same_view_to_others(explorer: Explorer) -> None:
    explorer.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    explorer.open(**{"from": "-8d", "q": "environment:qa", "order": "asc", "panel": "views"})
    explorer.page.get_by_role("button", name="link").first.click()
    link = explorer.page.evaluate("() => navigator.clipboard.readText()")
    first = explorer.cell(0, 0).inner_text()
    explorer.page.goto("about:blank")
    explorer.page.goto(link)
    explorer.settle()
    expect(explorer.cell(0, 0)).to_have_text(first)
    expect(explorer.chips).to_have_text(["environment:qa×"])


def test_named_views_are_kept_in_the_browser(explorer: Explorer) -> None:
    explorer.open(**{"from": "-8d", "q": "component:search"})
    explorer.page.get_by_role("button", name="Views").click()
    dialog = explorer.page.get_by_role("dialog")
    dialog.get_by_label("Name of this view").fill("what search does")
    dialog.get_by_role("button", name="Save").click()
    explorer.open(**{"from": "-1h"})
    explorer.page.get_by_role("button", name="Views").click()
    dialog.get_by_text("what search does", exact=True).click()
    explorer.expect_view(q="component:search", **{"from": "-8d"})
    expect(explorer.page.get_by_role("dialog")).to_have_count(0)
    explorer.page.get_by_role("button", name="Views").click()
    dialog.get_by_role("button", name="Delete what search does").click()
    expect(dialog.get_by_text("No view is saved")).to_be_visible()
