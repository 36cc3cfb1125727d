"""API keys and the audit log over HTTP: list, make, rotate, revoke, and who did what."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from storage.access.api_key import Scope
from storage.access.token import id_of
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.admin import make_key
from tests.support.keys import client, new_key, put_on_queue
from tests.support.problems import problem

ADMIN = new_key(Scope.ADMIN)
EVENT = {"component": "pay-in", "environment": "production", "message": "paid"}


@pytest.fixture(scope="module")
def guarded(servers: TestServers) -> Iterator[Service]:
    with servers.fresh() as settings:
        put_on_queue(settings, ADMIN)
        with service(settings, auth="required", cache_grace_ms=0) as running:
            yield running


@pytest.fixture
def http(guarded: Service) -> Iterator[httpx.Client]:
    with client(guarded, ADMIN) as found:
        yield found


def post(guarded: Service, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    return guarded.http.post("/events", json=EVENT, headers=headers).status_code


def test_a_new_key_works_within_its_limits_and_its_token_is_shown_once(
    guarded: Service, http: httpx.Client
) -> None:
    expires = "2099-01-31T18:00:00+01:00"
    made = make_key(http, "billing", components=["pay-*"], events_per_second=50, expires_at=expires)
    token, key = made["token"], made["key"]
    assert key["id"] == id_of(token)
    assert (key["status"], key["components"]) == ("active", ["pay-*"])
    assert key["expires_at"] == "2099-01-31T17:00:00Z"
    assert made["failures"] == {}
    wait_until(lambda: post(guarded, token) == 202, "the key to be known")
    refused = guarded.http.post(
        "/events",
        json={**EVENT, "component": "other"},
        headers={"authorization": f"Bearer {token}"},
    )
    problem(refused, 403)
    listed = http.get("/admin/keys")
    assert listed.headers["cache-control"] == "no-store"
    assert key["id"] in {one["id"] for one in listed.json()["keys"]}
    for path in ("/admin/keys?all=true", "/admin/audit"):
        assert token[13:] not in http.get(path).text
        assert "digest" not in http.get(path).text


def test_a_revoked_key_ends_and_stays_in_the_list_of_all(
    guarded: Service, http: httpx.Client
) -> None:
    made = make_key(http, "to revoke")
    key_id = made["key"]["id"]
    wait_until(lambda: post(guarded, made["token"]) == 202, "the key to be known")
    revoked = http.post(f"/admin/keys/{key_id}/revoke", json={}).json()
    assert (revoked["changed"], revoked["key"]["status"]) == (True, "revoked")
    wait_until(lambda: post(guarded, made["token"]) == 401, "the revocation to be known")
    assert http.post(f"/admin/keys/{key_id}/revoke", json={}).json()["changed"] is False
    assert key_id not in {one["id"] for one in http.get("/admin/keys").json()["keys"]}
    every = http.get("/admin/keys", params={"all": "true"}).json()["keys"]
    assert key_id in {one["id"] for one in every}


def test_a_key_may_be_revoked_later_and_a_rotated_one_has_an_overlap(
    guarded: Service, http: httpx.Client
) -> None:
    made = make_key(http, "to rotate", events_per_day=10)
    rotated = http.post(f"/admin/keys/{made['key']['id']}/rotate", json={"overlap_seconds": 3600})
    assert rotated.status_code == 201
    assert rotated.headers["cache-control"] == "no-store"
    found = rotated.json()
    assert found["old"]["status"] == "ending"
    assert found["key"]["events_per_day"] == 10
    wait_until(lambda: post(guarded, found["token"]) == 202, "the new key to be known")
    assert post(guarded, made["token"]) == 202
    later = http.post(f"/admin/keys/{found['key']['id']}/revoke", json={"in_seconds": 60}).json()
    assert later["key"]["status"] == "ending"
    http.post(f"/admin/keys/{found['key']['id']}/revoke", json={})
    ended = http.post(f"/admin/keys/{found['key']['id']}/rotate", json={})
    assert "has ended" in problem(ended, 422)["detail"]


def test_keys_are_listed_page_by_page(http: httpx.Client) -> None:
    ids = {make_key(http, f"page {n}")["key"]["id"] for n in range(5)}
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = http.get("/admin/keys", params={"limit": 2, **after}).json()
        assert len(page["keys"]) <= 2
        found += [key["id"] for key in page["keys"]]
        if page["next_after"] is None:
            break
        after = {"after": page["next_after"]}
    assert ids <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": " a"}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["root"]}, "/scopes/0"),
        ({"scopes": ["observe"], "components": ["a"]}, "/components"),
        ({"scopes": ["read"], "events_per_second": 5}, "/events_per_second"),
        ({"events_per_second": 0}, "/events_per_second"),
        ({"events_per_day": True}, "/events_per_day"),
        ({"components": ["*"]}, "/components/0"),
        ({"origins": ["https://a/path"]}, "/origins/0"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2099-01-01"}, "/expires_at"),
        ({"token": "act_x"}, "/token"),
        ({"id": "0aZ9bY8x"}, "/id"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_no_key_is_refused_at_its_place(
    http: httpx.Client, body: dict[str, Any], pointer: str
) -> None:
    sent = {"name": "refused", "scopes": ["write"], **body}
    faults = problem(http.post("/admin/keys", json=sent), 422)["errors"]
    assert [fault["pointer"] for fault in faults] == [pointer]
    every = http.get("/admin/keys", params={"all": "true"}).json()["keys"]
    assert "refused" not in {key["name"] for key in every}


def test_two_keys_have_not_the_same_name(http: httpx.Client) -> None:
    made = make_key(http, "only one")
    again = http.post("/admin/keys", json={"name": "only one", "scopes": ["read"]})
    [fault] = problem(again, 422)["errors"]
    assert fault["pointer"] == "/name"
    assert made["key"]["id"] in fault["detail"]


def test_a_body_that_is_no_json_or_too_long_is_refused(http: httpx.Client) -> None:
    json = {"content-type": "application/json"}
    problem(http.post("/admin/keys", content="{", headers=json), 400)
    problem(http.post("/admin/keys", content=b" " * 70_000, headers=json), 413)
    problem(http.post("/admin/keys", content="{}", headers={"content-type": "text/plain"}), 415)
    problem(http.post("/admin/keys?x=1", json={"name": "a", "scopes": ["read"]}), 422)


def test_an_unknown_key_is_not_found(http: httpx.Client) -> None:
    for act in ("revoke", "rotate"):
        for key_id in ("0aZ9bY8x", "x"):
            problem(http.post(f"/admin/keys/{key_id}/{act}", json={}), 404)
    [fault] = problem(http.get("/admin/keys", params={"after": "0aZ9bY8x"}), 422)["errors"]
    assert fault["parameter"] == "after"


def test_each_act_is_in_the_audit_log_page_by_page_with_the_id_of_the_key_that_did_it(
    http: httpx.Client,
) -> None:
    made = [make_key(http, f"audited {n}")["key"]["id"] for n in range(3)]
    http.post(f"/admin/keys/{made[0]}/revoke", json={})
    found: list[dict[str, Any]] = []
    before: dict[str, str] = {}
    while True:
        page = http.get("/admin/audit", params={"limit": 2, **before}).json()
        assert page["failures"] == {}
        found += page["acts"]
        if page["next_before"] is None:
            break
        before = {"before": page["next_before"]}
    assert len({line["id"] for line in found}) == len(found)
    assert {line["actor"] for line in found} == {f"key {ADMIN.key.id}@http"}
    newest = [(line["action"], line["target"]) for line in found[:4]]
    assert newest == [
        ("keys revoke", made[0]),
        *(("keys create", key_id) for key_id in reversed(made)),
    ]
    assert found[1]["details"] == {"name": "audited 2", "scopes": ["write"]}
    for params in ({"before": "x"}, {"before": "2026-01-01T00:00:00.000000Z_x"}, {"limit": 501}):
        problem(http.get("/admin/audit", params=params), 422)
