"""How many files a process may open: each connection is one."""

from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

OTHER_FILES = 128  # that an API process opens beside its clients' connections


def possible_connections(wanted: int) -> int:
    """Raise this process's limit as far as needed and allowed; return how many fit within it."""
    soft, hard = getrlimit(RLIMIT_NOFILE)
    needed = wanted + OTHER_FILES
    if soft != RLIM_INFINITY and soft < needed:
        soft = needed if hard == RLIM_INFINITY else min(needed, hard)
        setrlimit(RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == RLIM_INFINITY else max(1, min(wanted, soft - OTHER_FILES))
