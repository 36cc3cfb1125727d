"""Who acts over HTTP, as the audit log names it. Pure."""

from api.auth.principal import Principal


def actor_of(principal: Principal) -> str:
    """Return the id of the API key, as `key 0aZ9bY8x@http`; no key while none is needed."""
    return "without a key@http" if principal.key is None else f"key {principal.key.id}@http"
