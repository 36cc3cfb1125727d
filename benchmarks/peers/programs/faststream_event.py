"""What the two programs of FastStream have in common: the event, and where the queue is."""

import os
from typing import Any

from pydantic import BaseModel

QUEUE_URL = os.environ["PEER_QUEUE_URL"]
STREAM = "events"


class Event(BaseModel):
    """A posted event."""

    component: str
    environment: str
    message: str
    email: str | None = None
    data: dict[str, Any] | None = None
