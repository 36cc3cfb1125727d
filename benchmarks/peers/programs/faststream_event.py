"""Define what both FastStream programs share: the event and the address of the queue."""

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
