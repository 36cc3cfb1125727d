"""A Python client for the Activity Service: events that are sent in the background.

It imports nothing of the service, and needs nothing but urllib3.
"""

from activity_client.answers import ProblemDocument, problem_text
from activity_client.buffer import Stats
from activity_client.client import ActivityClient
from activity_client.errors import (
    ActivityError,
    BadEvent,
    BadUrl,
    BufferFull,
    ClientClosed,
    NotJson,
    TooLarge,
)
from activity_client.limits import Limits
from activity_client.logging_handler import ActivityHandler

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
