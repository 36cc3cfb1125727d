"""Connections and the pool of the event loop, with less work for each command than redis-py's."""

from typing import Any

import redis.asyncio
from redis.exceptions import ConnectionError, RedisError

NOTHING_SENT = "nothing was sent"
PART = 512  # arguments joined at once, so that a large command is never in memory twice


class Packed:
    """Mixin that packs a command of thousands of arguments in a third of redis-py's time."""

    encoder: Any

    def pack_command(self, *args: Any) -> list[bytes]:
        """Return the command's bytes, in parts."""
        encode = self.encoder.encode
        words = (*args[0].split(), *args[1:])  # a command's name may have two words
        arguments = [arg if type(arg) is bytes else encode(arg) for arg in words]
        packed = [b"*%d" % len(arguments)]
        for at in range(0, len(arguments), PART):
            part = arguments[at : at + PART]
            parts = [b""] * (2 * len(part))
            parts[0::2] = [b"\r\n$%d\r\n" % length for length in map(len, part)]
            parts[1::2] = part
            packed.append(b"".join(parts))
        packed.append(b"\r\n")
        return packed


class Prompt:
    """Mixin that hands a command to the transport at once, where redis-py makes a task for it.

    That task only bounds the wait until a server reads that has stopped reading. A command that
    the transport has room for does not wait. All else is left to redis-py.
    """

    _reader: Any
    _writer: Any

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send it; raises redis-py's errors."""
        if type(command) is list and self._has_room(sum(map(len, command))):
            self._writer.writelines(command)
        else:
            await super().send_packed_command(command, check_health)  # type: ignore[misc]

    def _has_room(self, size: int) -> bool:
        """Return whether the connection is sound, and the transport keeps `size` bytes more."""
        if self._writer is None or self._reader.exception() is not None:
            return False
        transport = self._writer.transport
        return (
            not transport.is_closing()
            and transport.get_write_buffer_size() + size <= transport.get_write_buffer_limits()[1]
        )


class Reset:
    """Mixin that raises redis-py's error when uvloop reports a connection reset by the server."""

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send it; raises redis-py's errors."""
        try:
            await super().send_packed_command(command, check_health)  # type: ignore[misc]
        except RuntimeError as error:
            raise ConnectionError(str(error)) from error


class Connecting:
    """Mixin that notes it with the error of a connection that never was one."""

    async def connect_check_health(self, *args: Any, **options: Any) -> None:
        """Connect, unless it is connected. Raises redis-py's errors, with NOTHING_SENT."""
        try:
            await super().connect_check_health(*args, **options)  # type: ignore[misc]
        except RedisError as error:
            error.add_note(NOTHING_SENT)
            raise


def nothing_was_sent(error: RedisError) -> bool:
    """Return whether a call failed with this error before anything was sent."""
    return NOTHING_SENT in getattr(error, "__notes__", ())


class _Plain(Connecting, Packed, Reset, Prompt, redis.asyncio.Connection):
    pass


class _Encrypted(Connecting, Packed, Reset, Prompt, redis.asyncio.SSLConnection):
    pass


class _Local(Packed, Prompt, redis.asyncio.UnixDomainSocketConnection):  # never reset
    pass


CONNECTIONS: dict[Any, Any] = {
    redis.asyncio.Connection: _Plain,
    redis.asyncio.SSLConnection: _Encrypted,
    redis.asyncio.UnixDomainSocketConnection: _Local,
}


class Pool(redis.asyncio.BlockingConnectionPool):
    """A pool that lends a sound idle connection at once, and takes it back at once.

    redis-py takes two locks and sets a timer for that, with each command. It still decides where a
    caller may have to wait, and what to do with a connection that is not sound.
    """

    _asking = 0  # callers that redis-py serves: they wait to be told of a connection

    async def get_connection(self, *keys: Any, **options: Any) -> Any:
        """Return a connection; wait for one if all are in use."""
        idle = self._available_connections
        if (
            idle
            and not self._asking
            and await self._is_sound(connection := idle[-1])
            and idle[-1:] == [connection]
        ):
            return self.get_available_connection()  # type: ignore[no-untyped-call]
        self._asking += 1
        try:
            return await super().get_connection()  # type: ignore[no-untyped-call]
        finally:
            self._asking -= 1

    async def release(self, connection: Any) -> None:
        """Take a connection back."""
        if self._asking or self._in_maintenance or connection.should_reconnect():
            await super().release(connection)
        else:
            self._in_use_connections.remove(connection)
            self._available_connections.append(connection)

    async def _is_sound(self, connection: Any) -> bool:
        """Return whether the server has neither closed it nor sent what nobody asked for."""
        if self._in_maintenance or not connection.is_connected:
            return False
        try:
            return not await connection.can_read()
        except ConnectionError:
            return False
