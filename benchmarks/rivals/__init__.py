"""Provide the references: the floor of any Python service, and the straightforward design."""
