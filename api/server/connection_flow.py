"""One connection's flow: when it is read, what it holds of the process's memory."""

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl

from api.server.process_memory import ProcessMemory


class ConnectionFlow(FlowControl):
    """Does not read on, whoever asks for it, while there is enough to do.

    Counts what is written and not read by the client, and what is read of a request that goes on.
    """

    behind = False
    answer_bytes = 0  # of a large answer, while it is written
    reserved = 0  # bytes of an unfinished request that nobody has taken yet
    waiting = 0  # bytes of requests that wait for the answers before theirs

    def __init__(self, transport: asyncio.Transport, memory: ProcessMemory) -> None:
        super().__init__(transport)
        self.answers = memory.answers
        self._budget = memory.unfinished

    def reserve(self, size: int) -> bool:
        """Hold so many bytes of the room, and no others; none if there is no room for them."""
        self._budget.free += self.reserved
        self.reserved = size if size <= self._budget.free else 0
        self._budget.free -= self.reserved
        return self.reserved == size

    def reserve_waiting(self, size: int) -> bool:
        """The same for what has come behind a request whose answer is under way."""
        self._budget.free += self.waiting
        self.waiting = size if size <= self._budget.free else 0
        self._budget.free -= self.waiting
        return self.waiting == size

    def pause_writing(self) -> None:
        """Count what the client has still to read."""
        super().pause_writing()
        # A part that is not sent yet keeps the whole answer in memory.
        size = max(self._transport.get_write_buffer_size(), self.answer_bytes)
        self.answers.hold(self._transport, size)

    def resume_writing(self) -> None:
        """The client has read it."""
        super().resume_writing()
        self.answers.release(self._transport)

    def resume_reading(self) -> None:
        """Read on, unless there is enough to do."""
        if not self.behind:
            super().resume_reading()
