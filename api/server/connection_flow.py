"""One connection's flow: when it is read, and the memory that it keeps."""

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl

from api.http.memory_budget import Reservation
from api.server.process_memory import ProcessMemory


class ConnectionFlow(FlowControl):
    """uvicorn's flow control, which reads no further while requests wait, whoever asks for it.

    It counts the bytes that the client has not read, and those of requests that are not complete
    or not started.
    """

    has_backlog = False  # requests wait: read no further
    answer_bytes = 0  # of a large answer, while it is written

    def __init__(self, transport: asyncio.Transport, memory: ProcessMemory) -> None:
        super().__init__(transport)
        self.answers = memory.answers
        self.unfinished = Reservation(memory.unfinished)  # of a request that no route reads yet
        self.waiting = Reservation(memory.unfinished)  # of requests behind an unfinished answer

    def pause_writing(self) -> None:
        """Count the bytes that the client has not read."""
        super().pause_writing()
        # A part that is not sent yet keeps the whole answer in memory.
        size = max(self._transport.get_write_buffer_size(), self.answer_bytes)
        self.answers.hold(self._transport, size)

    def resume_writing(self) -> None:
        """Stop counting: the client has read enough."""
        super().resume_writing()
        self.answers.release(self._transport)

    def resume_reading(self) -> None:
        """Read on, unless requests wait."""
        if not self.has_backlog:
            super().resume_reading()
