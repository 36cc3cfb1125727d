"""Accepting events: read, stamp, commit in groups, acknowledge."""
