"""The limit of open files, which bounds the connections of a process."""

from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

OTHER_FILES = 128  # that an API process opens besides the connections of clients


def possible_connections(wanted: int) -> int:
    """Raise the limit of this process as needed and allowed; return how many connections fit."""
    soft, hard = getrlimit(RLIMIT_NOFILE)
    needed = wanted + OTHER_FILES
    if soft != RLIM_INFINITY and soft < needed:
        soft = needed if hard == RLIM_INFINITY else min(needed, hard)
        setrlimit(RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == RLIM_INFINITY else max(1, min(wanted, soft - OTHER_FILES))
