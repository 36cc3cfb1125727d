"""Who may import, and what an import needs."""

from storage.access.api_key import Scope
from storage.settings import StorageSettings
from testbed.service import service
from tests.support.imports import PATH, item, send
from tests.support.keys import client, new_key, put_on_queue
from tests.support.problems import problem

WRITER, READER = new_key(Scope.WRITE), new_key(Scope.READ)
ADMIN = new_key(Scope.ADMIN)


def test_an_import_needs_the_scope_admin_and_nothing_else(settings: StorageSettings) -> None:
    put_on_queue(settings, WRITER, READER, ADMIN)
    with service(settings, auth="required", cache_grace_ms=0) as guarded:
        statuses = {}
        for name, key in (("write", WRITER), ("read", READER), ("admin", ADMIN)):
            with client(guarded, key) as http:
                paths = ("/events/batch?import=true", "/api/events/batch/?%69mport=%74rue")
                statuses[name] = [http.post(path, json=[item()]).status_code for path in paths]
                if key is ADMIN:
                    problem(http.post("/events/batch", json=[]), 403)
        assert statuses == {"write": [403, 403], "read": [403, 403], "admin": [202, 202]}


def test_without_a_key_only_this_machine_may_import(settings: StorageSettings) -> None:
    with service(settings, auth="open", cache_grace_ms=0) as running:
        send(running, item())


def test_no_import_is_taken_blindly_while_postgresql_is_away(settings: StorageSettings) -> None:
    nowhere = settings.model_copy(
        update={"database_url": "postgresql://nobody@127.0.0.1:1/nothing"}
    )
    with service(nowhere, workers=0, probe="/health") as running:
        answer = problem(running.http.post(PATH, json=[item()]), 503)
        assert "Nothing was imported" in answer["detail"]
        assert (
            running.http.post(
                "/events/batch", json=[{"component": "c", "environment": "e", "message": "m"}]
            ).status_code
            == 202
        )
