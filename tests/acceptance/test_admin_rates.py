"""`GET /admin/rates` over HTTP, with samples of a real service."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from storage.access.api_key import Scope
from storage.minute_samples import MINUTE_SECONDS, WINDOW_SECONDS, MinuteSamples, Sample
from storage.redis.client import connect_async
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.keys import client, new_key, put_on_queue
from tests.support.problems import problem

PATH = "/admin/rates"
T = TypeVar("T")


def on_control(settings: StorageSettings, work: Callable[[MinuteSamples], Awaitable[T]]) -> T:
    async def run() -> T:
        samples = MinuteSamples(connect_async(settings.control_url))
        try:
            return await work(samples)
        finally:
            await samples.close()

    return asyncio.run(run())


def this_minute(settings: StorageSettings) -> int:
    return int(on_control(settings, lambda samples: samples.now())) // MINUTE_SECONDS


def window_is_over(settings: StorageSettings, minute: int) -> bool:
    now = on_control(settings, lambda samples: samples.now())
    return now > minute * MINUTE_SECONDS + WINDOW_SECONDS


def minutes(running: Service) -> list[dict[str, Any]]:
    answer = running.http.get(PATH)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["minutes"]
    assert len(found) == 60
    return found


def test_a_service_that_has_just_begun_knows_no_minute(settings: StorageSettings) -> None:
    with service(settings) as running:
        names = ("accepted", "stored", "duplicates", "dead", "rejected")
        assert {minute[name] for minute in minutes(running) for name in names} == {None}
        problem(running.http.get(f"{PATH}?x=1"), 422)


def test_a_minute_is_sampled_once_and_what_came_since_the_one_before_is_told_also_after_a_restart(
    settings: StorageSettings,
) -> None:
    with service(settings, apis=2) as running:
        running.post(component="a", environment="b", message="c")
        event = running.post(component="a", environment="b", message="c")
        running.wait_stored(event["id"])
        running.http.post("/events", json={})
        first = this_minute(settings) + 1

        async def read(samples: MinuteSamples) -> Sample:
            return (await samples.read([first]))[0]

        # The next minute begins within 60 s.
        sample = wait_until(
            lambda: found if len(found := on_control(settings, read)) == 5 else None,
            "a sample of each process",
            120,
        )
        assert sample is not None
        assert sample["queue"] == (2,)
        assert sample["ledger"] == (2, 0, 0)
        rejections = [counts[0] for name, counts in sample.items() if name.startswith("rejected:")]
        assert sorted(rejections) == [0, 1]
        # As if the counters had been read a minute earlier too.
        before = {name: tuple(0 for _ in counts) for name, counts in sample.items()}
        on_control(settings, lambda samples: samples.add(first - 1, before))
        for api in running.apis:
            api.kill()
            api.wait(60)
        running.apis.clear()
        # A process that begins within the window adds its own count, and the minute is unknown.
        wait_until(lambda: window_is_over(settings, first), "the end of the window", 60)
        running.start_api()
        wait_until(lambda: running.answers("/health/ready"), "the next process")
        [told] = [one for one in minutes(running) if one["accepted"] is not None]
        assert told["stored"] == told["accepted"] == 2
        assert (told["duplicates"], told["dead"], told["rejected"]) == (0, 0, 1)


def test_what_is_sampled_first_stays(settings: StorageSettings) -> None:
    async def twice(samples: MinuteSamples) -> object:
        await samples.add(5, {"queue": (1,)})
        await samples.add(5, {"queue": (2,), "ledger": (1, 2, 3)})
        return await samples.read([5, 6])

    found = on_control(settings, twice)
    assert found == [{"queue": (1,), "ledger": (1, 2, 3)}, {}]


def test_only_observers_are_let_in(settings: StorageSettings) -> None:
    observer, admin = new_key(Scope.OBSERVE), new_key(Scope.ADMIN, Scope.READ, Scope.WRITE)
    put_on_queue(settings, observer, admin)
    with service(settings, auth="required") as guarded:
        with client(guarded, observer) as http:
            assert http.get(PATH).status_code == 200
        with client(guarded, admin) as http:
            problem(http.get(PATH), 403)
