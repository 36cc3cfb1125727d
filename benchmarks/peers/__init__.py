"""Beside whole systems that do the same job: accept events over HTTP, store them in PostgreSQL.

Nothing of them is a dependency of the project: they are installed into a folder of their own.
"""
