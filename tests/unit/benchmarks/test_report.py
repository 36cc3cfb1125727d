"""The table: measured beside wanted, and what changed since the last run."""

from dataclasses import replace

import msgspec

from benchmarks.figures import WANTED
from benchmarks.report import changes, report, table
from benchmarks.results import Results
from benchmarks.rounds import Spread


def results(**figures: float) -> Results:
    return Results(
        commit="abc1234",
        day="2026-11-24",
        quick=False,
        seconds=500,
        machine={"cores": "2"},
        figures={key: Spread(value, value * 0.9, value * 1.1, 5) for key, value in figures.items()},
        unmeasured={"cpu_vs_mq_bridge": "it could not be installed"},
        details={"storing": {"drain": {"rows_per_second": 12345.0}, "copy": {"cpu_us": 3.21}}},
    )


def line(text: str, what: str) -> str:
    [found] = [one for one in text.splitlines() if what in one]
    return found


def test_every_wanted_figure_has_a_row() -> None:
    assert table(results()).count("\n") == len(WANTED) + 1


def test_a_figure_stands_beside_the_wanted_one_with_its_range() -> None:
    row = line(table(results(accept_vs_echo=0.55)), "bare uvicorn echo")
    assert "| at least 0.5 | 0.55 | 0.495 to 0.605 | yes |" in row


def test_a_missed_figure_stands_out() -> None:
    assert "| at most 15 ms | 20 ms | 18 to 22 | **no** |" in table(results(query_p50=20))


def test_what_was_not_measured_says_why() -> None:
    assert "not measured: it could not be installed" in table(results())


def test_what_only_the_run_beside_the_peers_measures_comes_from_the_last_of_those() -> None:
    peers = msgspec.structs.replace(results(cpu_vs_mq_bridge=0.9), day="2026-11-20")
    row = line(table(results(), None, peers), "mq-bridge")
    assert "| 0.9 (on 2026-11-20 by `make bench-peers`) | 0.81 to 0.99 | yes |" in row
    assert "not measured" in line(table(results(), None, peers), "FastStream")


def test_the_run_beside_the_peers_shows_its_own_rows_only() -> None:
    own = [wanted for wanted in WANTED if wanted.key == "cpu_vs_mq_bridge"]
    text = table(results(cpu_vs_mq_bridge=1.5), wanted=own)
    assert "| at most 1 | 1.5 | 1.35 to 1.65 | **no** |" in text
    assert len(text.splitlines()) == 3


def test_only_a_change_of_a_tenth_is_told_and_which_way() -> None:
    before = results(accept_vs_echo=0.5, query_p50=10, deep_page=1.0)
    now = results(accept_vs_echo=0.6, query_p50=12, deep_page=1.05)
    told = changes(now, before)
    assert "better by 20%: single POST" in told
    assert "worse by 20%: uncached query shapes, p50" in told
    assert "page 1,000" not in told


def test_the_last_committed_figures_stand_in_the_table() -> None:
    row = line(table(results(deep_page=1.2), results(deep_page=1.1)), "page 1,000")
    assert row.endswith("| 1.1 |")


def test_details_have_a_column_for_whatever_was_read() -> None:
    text = report(results())
    assert "|  | rows per second | cpu us |" in text
    assert "| drain | 12,345 |  |" in text
    assert "| copy |  | 3.21 |" in text


def test_results_survive_being_kept() -> None:
    kept = msgspec.json.decode(msgspec.json.encode(results(deep_page=1.2)), type=Results)
    assert kept == results(deep_page=1.2)


def test_a_wanted_bound_holds_at_its_edge() -> None:
    at_least, at_most = WANTED[0], replace(WANTED[0], sense="at most")
    assert at_least.met(at_least.bound)
    assert at_most.met(at_most.bound)
