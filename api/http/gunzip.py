"""Unpacking a gzipped body while it arrives, never more of it than is allowed."""

import zlib
from collections.abc import Iterator

from api.http.problems import Problem

PIECE_BYTES = 256 * 1024
MAX_MEMBERS = 1000  # each costs a copy of what is behind it
_GZIP = 16 + zlib.MAX_WBITS


class Gunzip:
    """A gzip stream (RFC 1952) of one or more members, in pieces of PIECE_BYTES at most."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._members = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What these bytes unpack to. Raises Problem 400 for what is not gzip."""
        while data:
            if self._member.eof:
                data = data.lstrip(b"\0")  # padding, as gzip itself takes it
                if not data:
                    return
                self._begin_another()
            yield self._unpacked(data)
            data = self._member.unused_data or self._member.unconsumed_tail

    def finish(self) -> None:
        """The body has ended. Raises Problem 400 when the stream has not."""
        if not self._member.eof:
            raise Problem(400, "The gzip stream ends before its time.")

    def _begin_another(self) -> None:
        if self._members == MAX_MEMBERS:
            raise Problem(400, f"The gzip stream has more than {MAX_MEMBERS} members.")
        self._member = zlib.decompressobj(_GZIP)
        self._members += 1

    def _unpacked(self, data: bytes) -> bytes:
        try:
            return self._member.decompress(data, PIECE_BYTES)
        except zlib.error as error:
            what = str(error).rpartition(": ")[2]
            raise Problem(400, f"The body is not gzip: {what}.") from None
