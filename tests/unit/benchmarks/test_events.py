"""Events to measure with: the same for the same seed, skewed, and such as the service takes."""

from collections import Counter
from itertools import islice
from uuid import UUID

import pytest

from api.formats.native_fast import parse
from benchmarks.events import (
    FREQUENT_COMPONENT,
    RARE_COMPONENT,
    EventMaker,
    Posted,
)
from storage.model.event import encode_event, id_ms


@pytest.fixture(scope="module")
def many() -> list[Posted]:
    return list(islice(EventMaker("many"), 20_000))


def test_a_seed_always_gives_the_same_events(many: list[Posted]) -> None:
    assert list(islice(EventMaker("many"), 100)) == many[:100]
    assert list(islice(EventMaker("others"), 100)) != many[:100]


def test_ids_too_are_the_seeds_and_uuids_of_their_millisecond() -> None:
    first, again = EventMaker(1), EventMaker(1)
    raw = [first.raw_id(1_790_000_000_123) for _ in range(50)]
    assert raw == [again.raw_id(1_790_000_000_123) for _ in range(50)]
    assert len(set(raw)) == 50
    for one in (UUID(bytes=found) for found in raw):
        assert (one.version, one.variant) == (7, "specified in RFC 4122")
        assert id_ms(one) == 1_790_000_000_123


def test_the_service_accepts_them_on_its_fast_path(many: list[Posted]) -> None:
    assert all(parse(one.body()) for one in many[:2_000])


def test_an_event_of_the_store_says_the_same(many: list[Posted]) -> None:
    maker = EventMaker("ids")
    event = many[0].event(maker.raw_id(1_790_000_000_123))
    assert event.created_at == "2026-09-21T14:13:20.123Z"
    assert many[0].message in encode_event(event).decode()


def test_data_has_100_bytes_to_4_kib_and_most_of_it_is_small(many: list[Posted]) -> None:
    sizes = sorted(len(one.data) for one in many if one.data)
    assert sizes[0] >= 100
    assert sizes[-1] <= 4096
    assert sizes[len(sizes) // 2] < 300
    assert sizes[-1] > 2000


def test_components_are_skewed(many: list[Posted]) -> None:
    found = Counter(one.component for one in many)
    assert 0.28 < found[FREQUENT_COMPONENT] / len(many) < 0.32
    assert found[RARE_COMPONENT] < 10
    assert len(found) > 50
