"""Prefixes, exclusions, elements of arrays and relative dates, over HTTP: posted, asked, cached."""

import secrets
from datetime import UTC, datetime
from typing import Any

from testbed.service import Service


def test_each_parameter_finds_its_events_and_a_cached_page_is_never_stale(
    running: Service,
) -> None:
    run = secrets.token_hex(8)

    def post(component: str, **more: Any) -> str:
        event = {"environment": "production", "message": f"{run} paid", **more}
        found = running.post(component=component.format(run), **event)
        running.wait_stored(found["id"])
        return str(found["id"])

    def asked(**filters: Any) -> list[object]:
        return [event["id"] for event in running.events(message=run, **filters)]

    card = post("pay-{}-card", email="Jo@example.com", data={"tags": ["a", 7], "tier": "gold"})
    star = post("pay-{}-*", data={"tags": "a", "tier": None})
    auth = post("auth-{}", message=f"{run} failed 100%", email="x@example.com")

    questions: list[tuple[dict[str, Any], list[str]]] = [
        ({"component": f"pay-{run}-*"}, [star, card]),
        ({"component": rf"pay-{run}-\*"}, [star]),
        ({"component": [f"pay-{run}-c*", f"auth-{run}"]}, [auth, card]),
        ({"-component": f"pay-{run}-*"}, [auth]),
        ({"environment": "prod*", "-component": f"auth-{run}"}, [star, card]),
        ({"-email": "JO@EXAMPLE.COM"}, [auth, star]),
        ({"-email": ["jo@example.com", "x@example.com"]}, [star]),
        ({"-message": "FAILED 100%"}, [star, card]),
        ({"data.tags": "a"}, [star, card]),
        ({"data.tags": "7"}, [card]),
        ({"-data.tags": "a"}, [auth]),
        ({"-data.tags": "7"}, [auth, star]),
        ({"-data.tier": "gold"}, [auth, star]),
        ({"-data.tier": "null"}, [auth, card]),
        ({"from_date": "-15m"}, [auth, star, card]),
        ({"from_date": "-1d", "component": f"pay-{run}-*"}, [star, card]),
        ({"to_date": "-24h"}, []),
        ({"from_date": "-7d", "to_date": "-15m"}, []),
    ]
    for filters, expected in questions:
        for _ in range(2):
            assert asked(**filters) == expected, filters

    new = post("pay-{}-card-new", email="new@example.com", message=f"{run} new")
    assert asked(component=f"pay-{run}-*") == [new, star, card]
    assert asked(**{"-email": "jo@example.com"}) == [new, auth, star]
    assert asked(**{"-component": f"auth-{run}"}) == [new, star, card]
    assert asked(**{"-data.tags": "7"}) == [new, auth, star]
    assert asked(from_date="-15m") == [new, auth, star, card]


def test_a_page_up_to_now_ends_at_the_minute(running: Service) -> None:
    run = secrets.token_hex(8)
    found = running.post(component=run, environment="production", message=run)
    running.wait_stored(found["id"])
    before = datetime.now(UTC)
    page = running.events(component=run, to_date="now")
    now = datetime.now(UTC)
    created = datetime.fromisoformat(str(found["created_at"]))
    minutes = {at.replace(second=0, microsecond=0) for at in (before, now)}
    assert bool(page) in {created < minute for minute in minutes}
