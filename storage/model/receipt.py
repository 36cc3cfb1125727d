"""How far an event got. Pure."""

from typing import Literal

Receipt = Literal["queued", "stored", "dead"]
"""`queued`: on the queue's disk; `stored`: committed; `dead`: PostgreSQL refused it."""

StoredState = Literal["stored", "dead"]
"""What became of an event that has left the queue."""
