"""Lock an open file or folder without waiting. Standard library only."""

import fcntl


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Return whether the lock was taken. It lasts until every copy of the descriptor is closed.

    A `shared` lock is refused only while somebody holds an exclusive one.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
