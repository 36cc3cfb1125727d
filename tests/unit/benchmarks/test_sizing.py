"""What rates and numbers of events need, computed from measured costs."""

import pytest

from benchmarks.results import read
from benchmarks.sizing import BEGIN, END, PAGE, RESULTS, numbers_table, rates_table, tables, written

COST = {
    "api_cpu_us": 30.0,
    "worker_cpu_us": 12.0,
    "queue_cpu_us": 12.0,
    "postgres_cpu_us": 48.0,
    "queue_written_bytes": 800.0,
    "postgres_wal_bytes": 3000.0,
}
DISK = {"row_bytes": 600.0, "index_bytes": 500.0, "other_bytes": 100.0}


def row(table: str, first: str) -> list[str]:
    [found] = [line for line in table.splitlines() if line.startswith(f"| {first} ")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_a_rate_needs_its_cost_at_60_percent_of_a_core() -> None:
    found = row(rates_table(COST, 1200), "100,000")
    assert found == [
        "100,000",
        "5 processes",  # 3 cores of work
        "2 processes",
        "**not one server**: 2 threads",
        "8 cores",
        "80 MB/s",
        "300 MB/s",
        "10 TB",
    ]


def test_the_queues_one_thread_is_told_by_its_use() -> None:
    assert row(rates_table(COST, 1200), "10,000")[1:4] == [
        "1 process",
        "1 process",
        "12% of one thread",
    ]


def test_a_number_of_events_takes_disk() -> None:
    assert row(numbers_table(DISK), "1,000,000,000") == [
        "1,000,000,000",
        "600 GB",
        "500 GB",
        "100 GB",
        "1.2 days",
    ]


def test_the_page_has_the_tables_of_the_last_full_run() -> None:
    page = PAGE.read_text()
    assert written(page, tables(read(RESULTS))) == page


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="sizing: begin"):
        written(f"{END} {BEGIN}", "tables")
