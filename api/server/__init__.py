"""The HTTP server: uvicorn's protocol with bounds, and the fast paths for posts and pages."""
