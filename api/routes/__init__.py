"""The routes, as FastAPI and the OpenAPI document know them."""
