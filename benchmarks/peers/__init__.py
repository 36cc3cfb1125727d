"""Measure whole systems that do the same job: accept events over HTTP, store them in PostgreSQL.

They are not dependencies of the project: they are installed into a separate folder.
"""
