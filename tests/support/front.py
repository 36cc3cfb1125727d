"""A stub in front of the real service: answers pass through it, or get lost on the way."""

from collections.abc import Callable

import httpx

from testbed.service import Service
from tests.support.stub_service import LOST, Behaviour, Reply, Request, StubService


def pass_on(running: Service) -> Behaviour:
    """What the service says; nothing while it is away."""

    def behave(stub: StubService, request: Request) -> Reply:
        passed = ("content-type", "content-encoding", "idempotency-key")
        headers = {name: value for name, value in request.headers.items() if name in passed}
        try:
            answer = httpx.post(
                running.url + request.path, content=request.body, headers=headers, trust_env=False
            )
        except httpx.TransportError:
            return LOST
        more = {name: answer.headers[name] for name in ("retry-after",) if name in answer.headers}
        return Reply(answer.status_code, answer.json(), more)

    return behave


def lose_behind(running: Service, then: Callable[[], None]) -> Behaviour:
    """The service answers with success; that gets lost, and something happens."""

    def behave(stub: StubService, request: Request) -> Reply:
        assert pass_on(running)(stub, request).status == 202
        then()
        return LOST

    return behave
