"""Unpack files while they are read, in bounded memory, whatever they unpack to."""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from cli.errors import SendError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["is_packed", "plain_errors", "unpacked", "zstd"]

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_WINDOW_LOG = 27  # a frame of zstd must not ask for more than 128 MiB
_PIECE_BYTES = 64 * 1024


def is_packed(file: BinaryIO) -> bool:
    """Return whether a file or stream goes on like a packed one. Its position stays."""
    return cast(io.BufferedReader, file).peek(len(ZSTD)).startswith((GZIP, ZSTD))


def unpacked(file: BinaryIO) -> BinaryIO:
    """Return the unpacked content of a file that `is_packed`, from its present position."""
    buffered = cast(io.BufferedReader, file)
    if buffered.peek(len(GZIP)).startswith(GZIP):
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    limit = {int(zstd.DecompressionParameter.window_log_max): _WINDOW_LOG}
    found = zstd.ZstdFile(file, options=limit)
    return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, found), _PIECE_BYTES))


@contextmanager
def plain_errors(name: str) -> Iterator[None]:
    """Raise SendError for a damaged file."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, zstd.ZstdError) as error:
        raise SendError(f"{name} is damaged or cut off: {error}") from None
