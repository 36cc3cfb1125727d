"""Which scope each route needs: the one table. Pure.

The check, the OpenAPI document and the table in `docs/http.md` follow from it, and a test that asks
each route with each scope. A route without a line here can't be made.
"""

from collections.abc import Iterable, Mapping

from storage.access.api_key import Scope

SCHEME = "key"  # the name of the security scheme in the OpenAPI document

# By method and path; None: open to everyone. The pages for people describe the API, which is public
# anyway, and hold no data: the explorer asks for it with the key of whoever uses it. HEAD needs
# what GET needs. OPTIONS is open on every path: a browser asks it without a key, and the answer
# lists only methods.
ACCESS: Mapping[tuple[str, str], Scope | None] = {
    ("POST", "/events"): Scope.WRITE,
    ("POST", "/events/batch"): Scope.WRITE,
    ("POST", "/v1/logs"): Scope.WRITE,
    ("GET", "/events"): Scope.READ,
    ("GET", "/events/stats"): Scope.READ,
    ("GET", "/events/facets"): Scope.READ,
    ("GET", "/events/changes"): Scope.READ,
    ("GET", "/events/tail"): Scope.READ,
    ("GET", "/events/export"): Scope.READ,
    ("GET", "/events/{event_id}"): Scope.READ,
    ("GET", "/events/{event_id}/around"): Scope.READ,
    ("GET", "/status"): Scope.OBSERVE,
    ("GET", "/metrics"): Scope.OBSERVE,
    ("GET", "/admin/rates"): Scope.OBSERVE,
    ("GET", "/admin/dead-letters"): Scope.ADMIN,
    ("GET", "/admin/dead-letters/{event_id}"): Scope.ADMIN,
    ("POST", "/admin/dead-letters/replay"): Scope.ADMIN,
    ("POST", "/admin/dead-letters/discard"): Scope.ADMIN,
    ("GET", "/admin/keys"): Scope.ADMIN,
    ("POST", "/admin/keys"): Scope.ADMIN,
    ("POST", "/admin/keys/{key_id}/rotate"): Scope.ADMIN,
    ("POST", "/admin/keys/{key_id}/revoke"): Scope.ADMIN,
    ("GET", "/admin/audit"): Scope.ADMIN,
    ("GET", "/admin/erasures"): Scope.ADMIN,
    ("POST", "/admin/erasures"): Scope.ADMIN,
    ("GET", "/admin/erasures/{erasure_id}"): Scope.ADMIN,
    ("POST", "/session"): None,  # it takes a key, and these tell nothing without one
    ("GET", "/session"): None,
    ("DELETE", "/session"): None,
    ("GET", "/health"): None,
    ("GET", "/heath"): None,
    ("GET", "/health/ready"): None,
    ("GET", "/"): None,
    ("GET", "/explorer/{version}/{name}"): None,
    ("GET", "/docs"): None,
    ("GET", "/docs/{name}"): None,
    ("GET", "/docs/docs/{name}"): None,
    ("GET", "/openapi.json"): None,
}


# With one of these parameters (name, value) a method of a path needs this scope instead.
IMPORT = "import"
ACCESS_WITH: Mapping[tuple[str, str], Mapping[tuple[str, str], Scope]] = {
    ("POST", "/events/batch"): {(IMPORT, "true"): Scope.ADMIN},
}


class NotInTable(NotImplementedError):
    """A route has no line in the table, so it is not known who may use it."""


def scopes_of(path: str, methods: Iterable[str]) -> Mapping[str, Scope | None]:
    """Return the scope of each method of a path. Raises NotInTable."""
    if missing := [method for method in methods if (method, path) not in ACCESS]:
        raise NotInTable(f"api/auth/access.py has no line for {missing[0]} {path}")
    return {method: ACCESS[method, path] for method in methods}


def scopes_with(path: str, methods: Iterable[str]) -> Mapping[str, Mapping[tuple[str, str], Scope]]:
    """Return the scopes that parameters ask for instead, by method of a path."""
    return {method: found for method in methods if (found := ACCESS_WITH.get((method, path)))}
