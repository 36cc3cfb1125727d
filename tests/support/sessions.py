"""Sign in to the explorer as a browser does, and send what it sends."""

from typing import NamedTuple

import httpx

from testbed.service import Service
from tests.support.keys import TestKey

OWN = {"activity-explorer": "1"}
COOKIE = "activity-session"


class SignedIn(NamedTuple):
    """A session: the cookie that the browser keeps, and how it was set."""

    cookie: str  # NAME=VALUE
    attributes: set[str]

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of a request that a script of the page sends."""
        return {"cookie": self.cookie, **OWN}

    @property
    def token(self) -> str:
        return self.cookie.partition("=")[2]


def post_key(running: Service, token: str, **headers: str) -> httpx.Response:
    """Return the answer to a key that is typed into the form."""
    return fresh(running, "POST", "/session", {**OWN, **headers}, json={"key": token})


def sign_in(running: Service, key: TestKey, **headers: str) -> SignedIn:
    """Sign in with this key."""
    answer = post_key(running, key.token, **headers)
    assert answer.status_code == 200, answer.text
    return cookie_of(answer)


def cookie_of(answer: httpx.Response) -> SignedIn:
    """Return what the answer sets."""
    [line] = answer.headers.get_list("set-cookie")
    cookie, *attributes = line.split("; ")
    return SignedIn(cookie, set(attributes))


def fresh(
    running: Service, method: str, path: str, headers: dict[str, str], **more: object
) -> httpx.Response:
    """Send a request on a connection of its own, without any cookie that was set before."""
    with httpx.Client(base_url=running.url, timeout=120, trust_env=False) as http:
        return http.request(method, path, headers=headers, **more)  # type: ignore[arg-type]


def status(running: Service, path: str, session: SignedIn) -> int:
    """Return the status of a read with this session."""
    return fresh(running, "GET", path, session.headers).status_code
