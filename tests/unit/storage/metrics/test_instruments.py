"""What is counted is what is shown: sums over slots, buckets, labels."""

import os
from collections.abc import Iterator

import pytest

from storage.metrics import catalogue, instruments, labels, process
from storage.metrics.catalogue import HTTP_REQUEST_DURATION, HTTP_REQUESTS
from storage.metrics.http_requests import count_answer, row_of
from storage.metrics.metric import Metric
from storage.metrics.process import ProcessSlot, place_of
from storage.metrics.samples import Distribution, Labels, counted, resident_bytes
from storage.metrics.slot_file import SlotFile


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlotFile]:
    """Let this process count in a file of its own, in slot 1 of 2."""
    file = SlotFile.create(2)
    own = ProcessSlot()
    own.join(place_of(file, 1), "api")
    monkeypatch.setattr(process, "own", own)
    monkeypatch.setattr(instruments, "own", own)
    monkeypatch.setattr("storage.metrics.http_requests.own", own)
    yield file
    file.close()


def shown(file: SlotFile, metric: Metric) -> dict[Labels, float | Distribution]:
    return next(
        dict(sampled.values) for sampled in counted(file.readings()) if sampled.metric == metric
    )


def test_a_counter_shows_its_sum_over_all_slots(file: SlotFile) -> None:
    instruments.rate_limited_events.add(3)
    instruments.rate_limited_events.add()
    other = file.slot(0)
    mine = file.slot(1)
    changed = [n for n, value in enumerate(mine.cells) if value]
    assert len(changed) == 1
    other.cells[changed[0]] = 6
    assert shown(file, catalogue.RATE_LIMITED_EVENTS) == {(): 10}


def test_each_value_of_a_label_has_its_counter(file: SlotFile) -> None:
    instruments.rejected_events["too_large"].add(2)
    found = shown(file, catalogue.REJECTED_EVENTS)
    assert {labels for labels, value in found.items() if value} == {("too_large",)}
    assert found.keys() == {(reason,) for reason in labels.REASONS}


def test_a_value_belongs_to_the_first_bucket_that_holds_it(file: SlotFile) -> None:
    for value in (1, 2, 3, 5, 50_000, 50_001):
        instruments.group_commit_events.observe(value)
    found = shown(file, catalogue.GROUP_COMMIT_EVENTS)[()]
    assert isinstance(found, Distribution)
    assert catalogue.GROUP_COMMIT_EVENTS.buckets[:3] == (1, 2, 5)
    assert list(found.counts) == [1, 2, *[4] * 11, 5, 6]
    assert found.sum == 100_012


def test_seconds_are_shown_as_seconds(file: SlotFile) -> None:
    instruments.drain_steps["commit"].observe(2_500_000)  # 2.5 ms, a bound
    found = shown(file, catalogue.DRAIN)["commit",]
    assert isinstance(found, Distribution)
    assert found.sum == 0.0025
    assert found.counts[2:4] == [1, 1]
    assert found.counts[1] == 0


def test_an_answer_counts_by_code_and_by_time(file: SlotFile) -> None:
    row = row_of("POST", "/events")
    count_answer(row, 202, 1)
    count_answer(row, 503, 0)
    count_answer(row, 299, 0)
    count_answer(row_of("BREW", "unmatched"), 404, 0)
    assert shown(file, HTTP_REQUESTS) == {
        ("POST", "/events", "202"): 1,
        ("POST", "/events", "503"): 1,
        ("POST", "/events", "other"): 1,
        ("other", "unmatched", "404"): 1,
    }
    times = shown(file, HTTP_REQUEST_DURATION)
    assert times.keys() == {("POST", "/events"), ("other", "unmatched")}
    posts = times["POST", "/events"]
    assert isinstance(posts, Distribution)
    assert (posts.counts[0], posts.counts[-1]) == (2, 3)  # those answered before their last byte


def test_resident_bytes_are_those_of_the_processes_that_live(file: SlotFile) -> None:
    (found,) = resident_bytes(file.readings()).values.items()
    assert found[0] == ("api",)
    assert isinstance(found[1], int)
    assert found[1] > 1_000_000
    slot = file.slot(1)
    slot._own("api", os.getpid(), 1)  # an earlier process with this pid
    assert resident_bytes(file.readings()).values == {}
