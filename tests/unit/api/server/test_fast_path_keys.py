"""The fast paths let in whom the routes let in, and nobody else."""

import asyncio
from collections.abc import Sequence

import pytest

from api.auth.key_ring import KeyRing
from storage.access.api_key import Scope
from storage.access.token import new_token
from storage.model.cached_page import CachedPage
from tests.support import fast_path_posts
from tests.support.fast_path_posts import BODY, CONTINUE, cut, goes_on, post, under_way
from tests.support.hostile import JSON
from tests.support.keys import TestKey, masked, new_key, records, revoked, ring_with
from tests.support.raw_http import request
from tests.support.wired import Wired, run, steps

_no_lingering = fast_path_posts._no_lingering

WRITER, READER = new_key(Scope.WRITE), new_key(Scope.READ)
ORDERS = new_key(Scope.WRITE, components=("ord*",), environments=("production",))
OTHERS = new_key(Scope.WRITE, components=("orders-2", "pay-*"))
STAGING = new_key(Scope.WRITE, environments=("staging",))
GONE, LATE = new_key(), new_key()
KEYS = (WRITER, READER, ORDERS, OTHERS, STAGING, GONE, LATE)
PAGE = CachedPage.of(b'{"events":[]}\n')


def ring() -> KeyRing:
    """Return keys that have been used, so that the memo knows all of them."""
    found = ring_with(*KEYS)
    for key in KEYS:
        found.principal_of([(b"authorization", key.value)])
    found.add_queue(records(revoked(GONE)))
    return found


def sent_by(value: bytes | None, *more: bytes) -> bytes:
    given = () if value is None else (b"Authorization: " + value,)
    return post(BODY, JSON, *given, *more)


def talk(keys: KeyRing, pieces: Sequence[bytes], with_fast_path: bool = True) -> Wired:
    found: list[Wired] = []

    async def scenario() -> None:
        found.append(Wired(with_fast_path, keys=keys))
        await found[0].send(*pieces)
        await found[0].hang_up()

    run(scenario)
    return found[0]


CASES = {
    "good": (WRITER.value, 202, True),
    "lower": (b"bearer " + WRITER.token.encode(), 202, False),  # not in the memo yet
    "upper": (b"BEARER " + WRITER.token.encode(), 202, False),
    "spaces": (b"Bearer   " + WRITER.token.encode(), 202, False),
    "within its limits": (ORDERS.value, 202, True),
    "outside of its components": (OTHERS.value, 403, False),
    "outside of its environments": (STAGING.value, 403, False),
    "reads only": (READER.value, 403, False),
    "none": (None, 401, False),
    "empty": (b"", 401, False),
    "revoked": (GONE.value, 401, True),  # the memo knows it; it is refused when it starts
    "unknown": (b"Bearer " + new_token().encode(), 401, False),
    "another scheme": (b"Basic YTpi", 401, False),
    "no scheme": (WRITER.token.encode(), 401, False),
    "not ascii": (b"Bearer \xff" + WRITER.token.encode(), 401, False),
    "cut": (WRITER.value[:-1], 401, False),
    "longer": (WRITER.value + b"0", 401, False),
    "two in one": (WRITER.value + b"," + WRITER.value, 401, False),
}


@pytest.mark.parametrize("name", CASES)
def test_both_ways_let_the_same_requests_in(name: str) -> None:
    value, status, is_taken = CASES[name]
    ours = talk(ring(), [sent_by(value)])
    theirs = talk(ring(), [sent_by(value)], with_fast_path=False)
    assert ours.answers == theirs.answers
    assert [answer.status for answer in ours.answers] == [status]
    assert len(ours.appended) == len(theirs.appended) == (status == 202)
    assert (ours.requests == 0) == is_taken


@pytest.mark.parametrize(
    "more",
    [
        (b"Authorization: " + WRITER.value,),
        (b"authorization: " + WRITER.value,),
        (b"AUTHORIZATION: Basic YTpi",),
        (b"Authorization:",),
    ],
)
@pytest.mark.parametrize("first", [WRITER.value, b"Basic YTpi"], ids=masked)
def test_two_credentials_are_none(first: bytes, more: tuple[bytes, ...]) -> None:
    found = talk(ring(), [sent_by(first, *more)])
    assert ([answer.status for answer in found.answers], found.appended) == ([401], [])


def test_each_pipelined_request_has_its_own_key() -> None:
    values = [WRITER.value, None, ORDERS.value, GONE.value, READER.value, WRITER.value]
    found = talk(ring(), [b"".join(map(sent_by, values))])
    assert [answer.status for answer in found.answers] == [202, 401, 202, 401, 403, 202]
    assert len(found.appended) == 3


@pytest.mark.parametrize("value", [b"", GONE.value, READER.value, OTHERS.value], ids=masked)
@pytest.mark.parametrize("place", [10, 60, -len(BODY), -9, -1])
def test_a_request_in_pieces_is_refused_as_a_whole_one(value: bytes, place: int) -> None:
    whole = sent_by(value)
    found = talk(ring(), cut(whole, [len(whole) + place if place < 0 else place]))
    status = 401 if value in (b"", GONE.value) else 403
    assert ([answer.status for answer in found.answers], found.appended) == ([status], [])


def test_a_post_that_is_held_is_refused_if_its_key_is_revoked_meanwhile() -> None:
    async def scenario() -> None:
        keys = ring()
        wired = Wired(keys=keys)
        wired.protocol.data_received(sent_by(WRITER.value)[:-9])
        keys.add_queue(records(revoked(WRITER)))
        await wired.send(sent_by(WRITER.value)[-9:])
        assert ([answer.status for answer in wired.answers], wired.appended) == ([401], [])
        await wired.hang_up()

    run(scenario)


def test_a_post_that_is_held_is_refused_if_the_first_key_is_made_meanwhile() -> None:
    async def scenario() -> None:
        keys = KeyRing("until_first_key")
        keys.add_queue(records())
        wired = Wired(keys=keys)
        wired.protocol.data_received(sent_by(None)[:-9])
        keys.add_queue(records(WRITER))
        await wired.send(sent_by(None)[-9:])
        assert ([answer.status for answer in wired.answers], wired.appended) == ([401], [])
        await wired.hang_up()

    run(scenario)


@pytest.mark.parametrize("with_fast_path", [True, False])
def test_a_post_behind_another_is_refused_if_its_key_is_revoked_meanwhile(
    with_fast_path: bool,
) -> None:
    async def scenario() -> None:
        keys = ring()
        wired = Wired(with_fast_path, keys=keys)
        under_way(wired)
        await wired.send(sent_by(ORDERS.value) + sent_by(WRITER.value))
        await steps()
        keys.add_queue(records(revoked(WRITER)))
        await goes_on(wired)
        assert [answer.status for answer in wired.answers] == [202, 401]
        assert len(wired.appended) == 1
        await wired.hang_up()

    run(scenario)


def test_nobody_without_a_key_is_asked_for_a_body() -> None:
    head, body = sent_by(None, b"Expect: 100-continue").split(b"\r\n\r\n")
    found = talk(ring(), [head + b"\r\n\r\n", body])
    assert CONTINUE not in found.sent
    assert [answer.status for answer in found.answers] == [401]


def get(value: bytes | None, path: bytes = b"/events") -> bytes:
    return request(b"", b"GET", path, *(() if value is None else (b"Authorization: " + value,)))


def ask_page(value: bytes | None, *keys: TestKey) -> tuple[list[int], list[str]]:
    """Return the statuses, and the digests of the local pages that were asked for."""
    asked: list[str] = []

    async def scenario() -> None:
        ring = ring_with(*keys)
        for key in keys:
            ring.principal_of([(b"authorization", key.value)])
        wired = Wired(keys=ring)
        wired.hosts.admits(b"localhost")
        wired.pages.page, wired.pages.current = PAGE, PAGE.etag
        local = wired.pages.local

        def noted(name: str, tags: list[str]) -> object:
            asked.append(name)
            return local(name, tags)

        wired.pages.local = noted  # type: ignore[assignment,method-assign]
        wired.protocol.data_received(get(value))
        for _ in range(20):
            await asyncio.sleep(0)
        statuses.extend(answer.status for answer in wired.answers)
        await wired.hang_up()

    statuses: list[int] = []
    run(scenario)
    return statuses, asked


@pytest.mark.parametrize("value", [None, b"Basic YTpi", WRITER.value, GONE.value], ids=masked)
def test_a_local_page_is_for_those_who_may_read(value: bytes | None) -> None:
    statuses, asked = ask_page(value, READER, WRITER)
    assert statuses == [403 if value == WRITER.value else 401]
    assert asked == []


def test_a_local_page_is_found_by_the_limits_too() -> None:
    some = new_key(Scope.READ, components=("a*",))
    same = new_key(Scope.READ, components=("a*", "ab", "a*"))
    other = new_key(Scope.READ, components=("b*",))
    digests = []
    for key in (READER, some, same, other):
        statuses, asked = ask_page(key.value, key)
        assert statuses == [200]
        digests += asked
    assert digests[1] == digests[2]
    assert len(set(digests)) == 3
