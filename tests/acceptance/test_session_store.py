"""What control keeps of sessions: no token, so many for a key, and nothing to make one of."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import redis

from storage.access.api_key import Scope
from storage.access.session_token import new_session_token
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.keys import new_key, put_on_queue
from tests.support.sessions import COOKIE, SignedIn, post_key, sign_in, status

ALL = new_key()
READER = new_key(Scope.READ)


@pytest.fixture(scope="module")
def running(servers: TestServers) -> Iterator[Service]:
    with servers.fresh() as settings:
        put_on_queue(settings, ALL, READER)
        with service(settings, auth="required", cache_grace_ms=0) as started:
            yield started


def test_what_control_keeps_is_no_token_and_lasts_no_longer_than_the_session(
    running: Service,
) -> None:
    session = sign_in(running, ALL)
    with closing(redis.Redis.from_url(running.settings.control_url)) as control:
        name = f"session:{ALL.key.id}"
        kept = control.zrange(name, 0, -1)
        assert kept
        secret = session.token.rpartition("_")[2].encode()
        assert not any(secret in proof for proof in kept)
        assert 0 < control.ttl(name) <= 43_202
        # Whoever writes to control can't make a session: a proof needs the digest of the key.
        forged = new_session_token(ALL.key.id, 9_999_999_999)
        for proof in (forged.text, forged.proof(bytes(32)), forged.proof(ALL.token.encode())):
            control.zadd(name, {proof: 9_999_999_999})
        assert status(running, "/events", SignedIn(f"{COOKIE}={forged.text}", set())) == 401


def test_a_key_has_only_so_many_sessions(running: Service) -> None:
    key = new_key()
    put_on_queue(running.settings, key)
    wait_until(lambda: post_key(running, key.token).status_code == 200, "the key to be known")
    first = sign_in(running, key)
    with closing(redis.Redis.from_url(running.settings.control_url)) as control:
        name = f"session:{key.key.id}"
        control.zadd(name, {f"{n:064}": 9_999_999_999 for n in range(200)})
        last = sign_in(running, key)
        assert control.zcard(name) == 100
    assert status(running, "/events", first) == 401
    assert status(running, "/events", last) == 401  # it would end before the others


def test_a_control_that_lost_its_data_asks_everybody_to_sign_in_again(running: Service) -> None:
    session = sign_in(running, ALL)
    with closing(redis.Redis.from_url(running.settings.control_url)) as control:
        control.flushdb()
    assert status(running, "/events", session) == 401
    assert status(running, "/events", sign_in(running, ALL)) == 200


def test_nobody_makes_a_session_of_what_is_public(running: Service) -> None:
    session = sign_in(running, READER)
    prefix, key_id, end, secret = session.token.split("_")
    later = f"{prefix}_{key_id}_{int(end) + 1}_{secret}"
    of_other = f"{prefix}_{ALL.key.id}_{end}_{secret}"
    flipped = session.token[:-1] + ("a" if session.token[-1] != "a" else "b")
    for text in (later, of_other, flipped, session.token[:-1], READER.token):
        forged = SignedIn(f"{COOKIE}={text}", set())
        assert status(running, "/events", forged) == 401
    many = SignedIn(f"other=1; {session.cookie}; last=2", set())
    assert status(running, "/events", many) == 200
