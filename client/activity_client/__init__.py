"""Send events and log records to an Activity Service, in the background.

The package imports urllib3 and the standard library, and nothing of the service.
"""

from activity_client.answers import ProblemDocument, problem_text
from activity_client.buffer import Stats
from activity_client.client import ActivityClient
from activity_client.errors import (
    ActivityError,
    BadCaFile,
    BadEvent,
    BadKey,
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
    "BadCaFile",
    "BadEvent",
    "BadKey",
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
