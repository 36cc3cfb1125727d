"""The page of `activity doctor` has every check as it is declared."""

from pathlib import Path

from cli.doctor.catalogue import CHECKS
from cli.doctor.check import Verdict
from cli.doctor.examination import LIMIT_SECONDS

PAGE = Path(__file__).parents[4] / "docs/doctor.md"


def test_the_page_lists_every_check_in_the_order_of_the_report() -> None:
    rows = [
        f"| `{each.name}` | {each.looks_at} | {each.warns or 'never'} | {each.faults or 'never'} |"
        for each in CHECKS
    ]
    table = "| check | looks at | warning | fault |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    assert PAGE.read_text().endswith(table), f"docs/doctor.md must end with:\n{table}"


def test_the_page_explains_every_verdict_and_the_time_limit() -> None:
    page = PAGE.read_text()
    assert all(f"| `{verdict}` |" in page for verdict in Verdict)
    assert f"for at most {LIMIT_SECONDS:g} s" in page
