"""A key reads of the feed only what it may see, and only while it is valid."""

from tests.support import limited_keys
from tests.support.event_streams import changes, read_on, tail
from tests.support.keys import client
from tests.support.limited_keys import Limited, is_within

limited = limited_keys.limited


def test_a_key_gets_only_what_it_may_see(limited: Limited) -> None:
    by_id = {each.id: each for each in limited.stored}
    for key in limited.keys:
        with client(limited.running, key) as http:
            got = list(read_on(http, "start", limit=100))
            assert len(got) == len(set(got))
            expected = {
                one
                for one, event in by_id.items()
                if is_within(key, event.component, event.environment)
            }
            assert set(got) == expected
            if expected:
                with tail(http, after="start") as stream:
                    assert {each["id"] for each in stream.take(len(expected))} == expected


def test_a_token_of_one_key_gives_another_one_no_more_than_it_may_see(limited: Limited) -> None:
    with client(limited.running, limited.keys[0]) as http:
        token = changes(http, after="start", limit=1)["next"]
    for key in limited.keys:
        with client(limited.running, key) as http:
            assert set(read_on(http, token)) <= set(read_on(http, "start"))
