"""The exit statuses of `activity`; `docs/command.md` lists them."""

DONE = 0
FAILED = 1
BAD_USAGE = 2
INTERRUPTED = 130
