"""Sessions in one process, with a control that forgets, or does not answer."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from time import time

import pytest

from api.auth.key_ring import KeyRing
from api.auth.sessions import Sessions
from api.http.problems import Problem
from storage.access.session_token import SessionToken, new_session_token
from storage.errors import ControlUnavailable
from tests.support.keys import TestKey, new_key, records, revoked, ring_with

KEY = new_key(components=("orders",))
OTHER = new_key()


class Control:
    """What sessions need of control, in memory."""

    def __init__(self) -> None:
        self.kept: set[tuple[str, str]] = set()
        self.asked = 0
        self.is_away = False

    async def add(self, key_id: str, proof: str, ends_at: int, now: float) -> None:
        self._answer()
        self.kept.add((key_id, proof))

    async def are_there(self, proofs: list[tuple[str, str]]) -> list[bool]:
        self._answer()
        return [proof in self.kept for proof in proofs]

    async def remove(self, key_id: str, proof: str) -> None:
        self._answer()
        self.kept.discard((key_id, proof))

    def _answer(self) -> None:
        self.asked += 1
        if self.is_away:
            raise ControlUnavailable("away")


def sessions(ring: KeyRing, control: Control, seconds: int = 60) -> Sessions:
    return Sessions(ring, control, seconds)


def refused(act: Callable[[], Awaitable[object]]) -> int:
    """Return the status of the problem that the call raises."""

    async def run() -> None:
        await act()

    with pytest.raises(Problem) as problem:
        asyncio.run(run())
    return problem.value.status


def begun(found: Sessions, key: TestKey = KEY) -> SessionToken:
    return asyncio.run(found.begin(key.key))


def test_a_session_counts_as_its_key() -> None:
    ring, control = ring_with(KEY), Control()
    found = sessions(ring, control)
    token = begun(found)
    holder = asyncio.run(found.holder(token))
    assert (holder.key, holder.limits is None) == (KEY.key, False)
    assert time() < holder.ends_at <= time() + 61
    assert ring.take_uses().keys() == {KEY.key.id}
    assert holder.own("x") == ring.principal_of([(b"authorization", KEY.value)]).own("x")


def test_a_session_ends_with_its_time_or_with_the_key_whichever_is_first() -> None:
    ring, control = ring_with(KEY), Control()
    found = sessions(ring, control, -5)
    over = begun(found)
    assert refused(lambda: found.holder(over)) == 401
    soon = new_key(expires_at=datetime.now(UTC) + timedelta(seconds=30))
    ring.add_queue(records(soon))
    assert begun(sessions(ring, control), soon).ends_at <= time() + 30


def test_a_revocation_ends_the_session_of_a_request_that_is_being_answered() -> None:
    ring, control = ring_with(KEY), Control()
    found = sessions(ring, control)
    token = begun(found)
    holder = asyncio.run(found.holder(token))
    ring.add_queue(records(revoked(KEY)))
    assert holder.ends_at <= time()
    assert refused(lambda: found.holder(token)) == 401
    assert asyncio.run(found.end(token)) is None


def test_signing_out_ends_the_session_also_of_a_request_that_is_being_answered() -> None:
    ring, control = ring_with(KEY), Control()
    found = sessions(ring, control)
    token, other = begun(found), begun(found)
    holder, stays = asyncio.run(found.holder(token)), asyncio.run(found.holder(other))
    asyncio.run(found.end(token))
    assert holder.ends_at == 0
    ring.add_queue(records(KEY.key.used(datetime.now(UTC))))  # news of the key bring nothing back
    assert holder.ends_at == 0
    assert stays.ends_at > time()
    assert refused(lambda: found.holder(token)) == 401


def test_a_session_that_another_process_has_ended_ends_here_within_a_round() -> None:
    ring, control = ring_with(KEY), Control()
    found = sessions(ring, control)
    holder = asyncio.run(found.holder(begun(found)))
    asyncio.run(found.run_once())
    assert holder.ends_at > time()
    control.kept.clear()
    asyncio.run(found.run_once())
    assert holder.ends_at == 0


def test_nothing_is_asked_for_sessions_that_nobody_is_being_answered_for() -> None:
    ring, control = ring_with(KEY), Control()
    found = sessions(ring, control)
    asyncio.run(found.holder(begun(found)))
    control.asked = 0
    asyncio.run(found.run_once())
    assert control.asked == 0


def test_while_control_is_away_nobody_is_taken_for_signed_in_or_out() -> None:
    ring, control = ring_with(KEY), Control()
    found = sessions(ring, control)
    token = begun(found)
    holder = asyncio.run(found.holder(token))
    control.is_away = True
    assert refused(lambda: found.begin(KEY.key)) == 503
    assert refused(lambda: found.holder(token)) == 503
    assert refused(lambda: found.end(token)) == 503
    with pytest.raises(ControlUnavailable):
        asyncio.run(found.run_once())
    assert holder.ends_at > time()  # what has begun goes on


def test_while_no_key_could_be_read_nobody_is_let_in() -> None:
    found = sessions(KeyRing("required"), Control())
    token = new_session_token(KEY.key.id, int(time()) + 60)
    assert refused(lambda: found.holder(token)) == 503
    assert refused(lambda: found.end(token)) == 503


def test_unknown_keys_and_wrong_secrets_are_refused_after_the_same_question() -> None:
    ring, control = ring_with(KEY), Control()
    found = sessions(ring, control)
    right = begun(found)
    end = int(time()) + 60
    asked = []
    for key_id in (KEY.key.id, OTHER.key.id):
        before = control.asked
        token = new_session_token(key_id, end)
        assert refused(partial(found.holder, token)) == 401
        asked.append(control.asked - before)
    assert asked == [1, 1]
    assert ring.take_uses() == {}  # no guess counts as a use
    assert asyncio.run(found.holder(right)).key == KEY.key
