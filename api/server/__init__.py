"""The HTTP server: uvicorn's protocol with bounds, and the fast path for posts."""
