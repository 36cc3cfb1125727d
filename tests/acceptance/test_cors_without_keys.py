"""Where no key is needed, no page of another origin may post.

Else any page could post to a service on the visitor's own machine.
"""

from storage.settings import StorageSettings
from testbed.service import service

ORIGIN = {"origin": "https://shop.example"}
EVENT = {"component": "shop", "environment": "web", "message": "clicked"}


def test_an_open_service_lets_no_page_post(settings: StorageSettings) -> None:
    with service(settings, workers=0) as running:
        asked = {**ORIGIN, "access-control-request-method": "POST"}
        answers = [
            running.http.options("/events", headers=asked),
            running.http.post("/events", json=EVENT, headers=ORIGIN),
        ]
    assert [answer.status_code for answer in answers] == [204, 202]
    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control")]
