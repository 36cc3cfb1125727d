"""Leaving out components and environments, over HTTP: posted, stored, asked for, cached."""

import secrets

from testbed.service import Service


def test_what_is_excluded_is_not_on_the_page_and_a_cached_page_is_never_stale(
    running: Service,
) -> None:
    run = secrets.token_hex(8)

    def post(component: str, environment: str = "production") -> str:
        found = running.post(component=f"{component}-{run}", environment=environment, message=run)
        running.wait_stored(found["id"])
        return str(found["id"])

    orders, staged, billing = post("orders"), post("orders", "staging"), post("billing")

    def asked(**excluded: object) -> list[object]:
        names = {name.replace("not_", "-"): value for name, value in excluded.items()}
        return [event["id"] for event in running.events(message=run, **names)]

    for _ in range(2):
        assert asked(not_component=f"billing-{run}") == [staged, orders]
    mail = post("mail")
    assert asked(not_component=f"billing-{run}") == [mail, staged, orders]
    assert asked(not_component=[f"billing-{run}", f"mail-{run}"]) == [staged, orders]
    assert asked(not_environment="staging") == [mail, billing, orders]
    both = {"component": f"orders-{run}", "not_component": f"orders-{run}"}
    assert asked(**both) == []
