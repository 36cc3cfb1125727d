"""Put a stub in front of the real service: it passes answers on, or loses them."""

from collections.abc import Callable

import httpx

from testbed.service import Service
from tests.support.stub_service import LOST, Behaviour, Reply, Request, StubService


def pass_on(running: Service) -> Behaviour:
    """Return the service's answer; none while it is unreachable."""

    def behave(stub: StubService, request: Request) -> Reply:
        passed = ("content-type", "content-encoding", "idempotency-key")
        headers = {name: value for name, value in request.headers.items() if name in passed}
        try:
            answer = httpx.post(
                running.url + request.path,
                content=request.body,
                headers=headers,
                timeout=60,
                trust_env=False,
            )
        except httpx.TransportError:
            return LOST
        more = {name: answer.headers[name] for name in ("retry-after",) if name in answer.headers}
        return Reply(answer.status_code, answer.json(), more)

    return behave


def lose_behind(running: Service, then: Callable[[], None]) -> Behaviour:
    """Let the service answer with success, lose the answer, and call `then`."""

    def behave(stub: StubService, request: Request) -> Reply:
        assert pass_on(running)(stub, request).status == 202
        then()
        return LOST

    return behave
