"""Each route has a line in the table of scopes, and can't be made without one."""

from collections.abc import Iterator

import pytest
from fastapi import APIRouter

from api.app import create_app
from api.auth.access import ACCESS, NotInTable
from api.routes import admin, explorer, export, feed, ingest, ops, otlp, pages, query, session
from api.routes.protected_route import ProtectedRoute, protected_router, require_protected
from api.settings import ApiSettings
from storage.settings import StorageSettings

LATER = {("GET", "/metrics")}
MODULES = (ingest, otlp, feed, export, query, ops, admin, session, explorer, pages)


def routes() -> Iterator[ProtectedRoute]:
    for module in MODULES:
        for route in require_protected(module.router).routes:
            assert isinstance(route, ProtectedRoute)
            yield route


def test_each_route_has_a_line_and_each_line_a_route() -> None:
    found = {(method, route.path_format) for route in routes() for method in route.methods or ()}
    assert found | LATER == ACCESS.keys()


def test_the_application_has_no_other_routes() -> None:
    app = create_app(StorageSettings(_env_file=None), ApiSettings(_env_file=None)).fastapi
    ours = {id(module.router) for module in MODULES}
    assert {id(getattr(one, "original_router", None)) for one in app.routes} == ours
    assert not any(
        getattr(router, "_low_priority_routes", ())
        for router in (app.router, *(module.router for module in MODULES))
    )


@pytest.mark.parametrize(("method", "path"), [("GET", "/new"), ("DELETE", "/events/{event_id}")])
def test_a_route_without_a_line_can_not_be_made(method: str, path: str) -> None:
    with pytest.raises(NotInTable, match=method):
        protected_router().add_api_route(path, lambda: None, methods=[method])


def test_a_route_that_does_not_check_is_not_served() -> None:
    router = APIRouter()
    router.add_api_route("/status", lambda: None)
    with pytest.raises(TypeError, match="ProtectedRoute"):
        require_protected(router)


def test_the_document_names_the_scope_of_each_operation() -> None:
    document = create_app(StorageSettings(_env_file=None), ApiSettings(_env_file=None)).fastapi
    paths = document.openapi()["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            scope = ACCESS[method.upper(), path]
            assert operation["security"] == ([] if scope is None else [{"key": [scope]}, {}])
            takes_a_key = (method, path) == ("post", "/session")
            assert ("401" in operation["responses"]) == (scope is not None or takes_a_key)
