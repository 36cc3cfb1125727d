"""Ask, complete, mark a fault, filter by chip and facet, and go back."""

import pytest
from playwright.sync_api import expect

from benchmarks.events import RARE_COMPONENT
from testbed.service import Service
from testbed.waiting import wait_until
from tests.browser.explorer import Explorer

WEEK = {"from": "-8d"}


def counted(running: Service, q: str) -> int:
    answer = running.http.get("/events/stats", params={"q": q, "interval": "day"})
    assert answer.status_code == 200, answer.text
    return sum(bar["count"] for bar in answer.json()["bars"])


@pytest.mark.parametrize(
    "q",
    [
        "component:billing",
        'component:checkout -environment:production "declined by the issuer"',
        "data.customer.tier:platinum data.amount>900",
        "email:user00000@mail.example.org",
        f"component:({RARE_COMPONENT} OR batch-import)",
    ],
)
def test_a_question_shows_its_events_and_their_number(
    explorer: Explorer, running: Service, q: str
) -> None:
    explorer.open(**WEEK)
    explorer.ask(q)
    explorer.expect_total(counted(running, q))


def test_a_question_is_completed_by_names_that_exist(explorer: Explorer) -> None:
    explorer.open(**WEEK)
    explorer.question.press_sequentially("comp")
    options = explorer.page.get_by_role("listbox", name="completions").get_by_role("option")
    expect(options.first).to_contain_text("component:")
    explorer.question.press("ArrowDown")
    explorer.question.press("Enter")
    expect(explorer.question).to_have_value("component:")
    explorer.question.press_sequentially("notif")
    expect(options).to_have_count(1)
    expect(options.first).to_contain_text("notifications")
    explorer.question.press("Tab")
    explorer.expect_view(q="component:notifications")
    expect(explorer.cell(0, 1)).to_have_text("notifications")


def test_a_path_in_data_is_completed(explorer: Explorer, running: Service) -> None:
    # The service names the paths of the newest 2,000 events only, and these have none.
    bare = [{"component": "bare", "environment": "e", "message": f"{n}"} for n in range(700)]
    for _ in range(3):
        answer = running.http.post("/events/batch", json=bare)
        assert answer.status_code == 202, answer.text
        running.wait_stored(answer.json()["results"][-1]["id"])
    explorer.open(**WEEK, q="component:checkout")
    explorer.question.press("End")
    explorer.question.press_sequentially(" data.customer.ti")
    option = explorer.page.get_by_role("option", name="data.customer.tier:")
    expect(option).to_be_visible()
    option.click()
    expect(explorer.question).to_have_value("component:checkout data.customer.tier:")
    explorer.question.press_sequentially("plat")
    explorer.page.get_by_role("option", name="platinum").click()
    explorer.expect_view(q="component:checkout data.customer.tier:platinum")
    explorer.settle()


def test_a_fault_is_marked_at_its_character(explorer: Explorer) -> None:
    explorer.watched.allowed += ["status of 422"]
    explorer.open(**WEEK)
    explorer.ask("component:billing")
    explorer.question.fill("component:billing componnt:x")
    explorer.question.press("Enter")
    expect(explorer.question).to_have_attribute("aria-invalid", "true")
    expect(explorer.page.locator(".fault-marks mark")).to_have_text("componnt")
    explorer.expect_no_figures()
    faults = explorer.page.locator("#question-faults")
    expect(faults).to_contain_text("character 19")
    faults.get_by_role("button", name="component").click()
    explorer.expect_view(q="component:billing component:x")
    expect(explorer.question).to_have_attribute("aria-invalid", "false")


def test_chips_invert_and_remove_terms(explorer: Explorer, running: Service) -> None:
    explorer.open(**WEEK, q="component:billing environment:qa")
    expect(explorer.chips).to_have_count(2)
    explorer.chips.filter(has_text="qa").get_by_title("exclude instead").click()
    explorer.expect_view(q="component:billing -environment:qa")
    explorer.settle()
    explorer.expect_total(counted(running, "component:billing -environment:qa"))
    explorer.page.get_by_role("button", name="remove component:billing").click()
    explorer.expect_view(q="-environment:qa")
    expect(explorer.chips).to_have_count(1)
    explorer.settle()
    explorer.expect_total(counted(running, "-environment:qa"))


def test_facets_ask_for_a_value_or_without_it_and_back_undoes_it(
    explorer: Explorer, running: Service
) -> None:
    explorer.open(**WEEK)
    count = counted(running, "component:payments")
    # Counts of a facet come part by part.
    said = explorer.only("component", "payments").locator(".count")
    expect(said).to_have_text(f"{count:,}")
    explorer.only("component", "payments").click()
    explorer.expect_view(q="component:payments")
    explorer.settle()
    explorer.expect_total(count)
    expect(explorer.cell(0, 1)).to_have_text("payments")
    explorer.page.get_by_role("button", name="without environment production").click()
    explorer.expect_view(q="component:payments -environment:production")
    explorer.settle()
    explorer.expect_total(counted(running, "component:payments -environment:production"))
    explorer.page.go_back()
    explorer.expect_view(q="component:payments")
    explorer.expect_total(count)
    explorer.page.go_back()
    explorer.expect_view(q="")
    expect(explorer.chips).to_have_count(0)


def test_the_counts_of_a_facet_add_up_to_the_total(explorer: Explorer, running: Service) -> None:
    explorer.open(**WEEK, q="environment:staging")
    total = counted(running, "environment:staging")
    facet = explorer.facet("component")

    def said() -> int:
        texts = facet.locator(".count").all_inner_texts()
        return sum(int(text.replace(",", "")) for text in texts)

    wait_until(lambda: said() == total, f"counts that add up to {total}")
    expect(facet.locator(".other")).to_be_visible()


def test_values_are_found_in_a_facet_and_paths_in_data_are_counted(explorer: Explorer) -> None:
    explorer.open(**WEEK, facets=["component", "data.customer.tier"])
    expect(explorer.only("data.customer.tier", "platinum")).to_be_visible()
    explorer.facet("component").get_by_role("button", name="More").click()
    explorer.page.get_by_role("searchbox", name="search in the values of component").fill("ledg")
    expect(explorer.only("component", RARE_COMPONENT)).to_be_visible()
    expect(explorer.facet("component").locator(".only")).to_have_count(1)
