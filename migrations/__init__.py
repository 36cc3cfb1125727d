"""Alembic migrations; `activity migrate` runs them."""
