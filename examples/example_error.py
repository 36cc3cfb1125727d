"""The error of the example."""


class ExampleError(Exception):
    """The run cannot continue; the message is for the user."""
