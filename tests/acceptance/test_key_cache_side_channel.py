"""How a page of a key with limits is answered tells nothing of events outside of them."""

from storage.access.api_key import Scope
from storage.cache import tags
from storage.cache.invalidation import CacheInvalidator
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.service import service
from tests.support.cached_pages import store_batch
from tests.support.keys import client, new_key, put_on_queue
from tests.support.reading import made

START_MS = 1_772_323_200_000
ALL = new_key()
READS_PAY = new_key(Scope.READ, components=("pay-*",))


def test_what_is_stored_outside_does_not_show_in_how_a_page_is_answered(
    settings: StorageSettings,
) -> None:
    """Neither an event of the email that a page asks for, nor what others ask for."""
    question = {"email": "victim@x.org", "limit": "7"}
    outside = made(START_MS, component="web", environment="prod", email="victim@x.org")
    other = made(START_MS + 1, component="web", environment="prod", email="other@x.org")
    put_on_queue(settings, ALL, READS_PAY)
    with (
        service(settings, workers=0, auth="required", cache_grace_ms=0) as running,
        client(running, READS_PAY) as http,
        client(running, ALL) as all_,
    ):
        all_.get("/events", params=question)
        answers = [http.get("/events", params=question).headers["x-cache"]]
        for one in (outside, other):
            http.get("/events", params=question)
            with connect(settings.control_url) as control:
                store_batch(CacheInvalidator(control), *tags.of_events([one]))
            answers.append(http.get("/events", params=question).headers["x-cache"])
    assert answers == ["MISS"] * 3  # every event changes it alike, whatever its email
