"""Decompress a gzipped body while it arrives, in pieces of a bounded size."""

import zlib
from collections.abc import Iterator

from api.http.problems import Problem

PIECE_BYTES = 256 * 1024
MAX_MEMBERS = 1000  # each costs a copy of the data after it
_GZIP = 16 + zlib.MAX_WBITS


class Gunzip:
    """A decompressor of gzip (RFC 1952) of any number of members, in pieces of bounded size."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP)
        self._members = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the decompressed pieces of the data. Raises Problem 400 if it is not gzip."""
        while data:
            if self._member.eof:
                data = data.lstrip(b"\0")  # padding, which the gzip program accepts too
                if not data:
                    return
                self._begin_member()
            yield self._decompress(data)
            data = self._member.unused_data or self._member.unconsumed_tail

    def finish(self) -> None:
        """End the body. Raises Problem 400 if the stream is incomplete."""
        if not self._member.eof:
            raise Problem(400, "The gzip stream is incomplete.")

    def _begin_member(self) -> None:
        if self._members == MAX_MEMBERS:
            raise Problem(400, f"The gzip stream has more than {MAX_MEMBERS} members.")
        self._member = zlib.decompressobj(_GZIP)
        self._members += 1

    def _decompress(self, data: bytes) -> bytes:
        try:
            return self._member.decompress(data, PIECE_BYTES)
        except zlib.error as error:
            reason = str(error).rpartition(": ")[2]
            raise Problem(400, f"The body is not gzip: {reason}.") from None
