"""What an answer that takes long tells the server beside its parts: messages of our own."""

import asyncio

from starlette.types import Message

BREAK_OFF = "activity.answer.break_off"
END_WITH = "activity.answer.end_with"


def break_off() -> Message:
    """Return the message that ends an answer so that no client takes it for whole."""
    return {"type": BREAK_OFF}


def end_with(stopping: asyncio.Event) -> Message:
    """Return the message that asks the server to set the event when it stops."""
    return {"type": END_WITH, "event": stopping}
