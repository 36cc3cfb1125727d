"""What the profile `--replicated` promises of its servers; only `make test-replicated` runs it."""

from itertools import count

import redis

from storage.redis.client import primary_addresses
from testbed.service import Service
from testbed.waiting import wait_until
from tests.support.scraped import scrape

PRIMARIES = 3
EVENT = {"component": "c", "environment": "e", "message": "m"}


def test_events_are_queued_on_a_cluster_and_read_on_the_standby(running: Service) -> None:
    running.wait_stored(running.post(**EVENT)["id"])
    used = 0
    for address in primary_addresses(running.settings.queue_url):
        with redis.Redis.from_url(address) as server:
            used += bool(server.keys("events:*"))
    assert used == PRIMARIES

    turn = count()

    def read_on_the_standby() -> float:
        running.events(component=f"c{next(turn)}")  # a page that no cache has: replay may be paused
        return scrape(running.http).by("activity_standby_reads_total", "outcome")[("standby",)]

    wait_until(read_on_the_standby, "a read on the standby")
