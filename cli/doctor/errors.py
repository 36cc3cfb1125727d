"""The error of a fact that can't be read."""


class NotKnown(Exception):
    """A fact can't be read; the text says why."""
