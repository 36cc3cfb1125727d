"""A Python client for the Activity Service: events that are sent in the background.

It imports nothing of the service, and needs nothing but urllib3.
"""

from client.activity_client import ActivityClient
from client.answers import ProblemDocument, problem_text
from client.buffer import Stats
from client.errors import (
    ActivityError,
    BadEvent,
    BadUrl,
    BufferFull,
    ClientClosed,
    NotJson,
    TooLarge,
)
from client.limits import Limits
from client.logging_handler import ActivityHandler

__all__ = [
    "ActivityClient",
    "ActivityError",
    "ActivityHandler",
    "BadEvent",
    "BadUrl",
    "BufferFull",
    "ClientClosed",
    "Limits",
    "NotJson",
    "ProblemDocument",
    "Stats",
    "TooLarge",
    "problem_text",
]
