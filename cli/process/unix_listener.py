"""A listening Unix socket, for a proxy on the same machine."""

import os
import socket
import stat
from pathlib import Path

from cli.errors import AddressError
from cli.process.listener import BACKLOG

_MASK = 0o117  # only owner and group may write to the socket, and so connect
_ANSWER_SECONDS = 1.0


def listen(path: Path) -> socket.socket:
    """Bind and listen. Replaces the socket of an earlier run. Raises `AddressError`."""
    path = path.absolute()
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(_MASK)
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressError(
            f"can't listen on {path}: {error.strerror or error}; see --uds"
        ) from None
    finally:
        os.umask(mask)
    return listener


def _remove_stale(path: Path) -> None:
    """Remove a socket of this user that nobody listens on, but not through a link."""
    try:
        found = path.lstat()
    except OSError:  # `bind` reports the reason
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise AddressError(f"{path} exists and is not a socket; choose another with --uds")
    if found.st_uid != os.geteuid():
        raise AddressError(f"the socket {path} belongs to another user; choose another with --uds")
    if _is_listened_on(path):
        raise AddressError(f"another process listens on {path}; choose another with --uds")
    path.unlink(missing_ok=True)


def _is_listened_on(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_ANSWER_SECONDS)
        try:
            client.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # busy
            return True
    return True
