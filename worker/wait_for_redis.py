"""Wait for control at the start of a worker, which can do nothing without it."""

import logging
import time

import redis

from worker.activities import REFUSED, WAITING
from worker.progress import report

UNREACHABLE = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError)

FIRST_PAUSE = 0.1
MAX_PAUSE = 2.0
_REFUSALS = (
    redis.exceptions.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.exceptions.NoPermissionError,
)

log = logging.getLogger(__name__)


def wait_for(control: redis.Redis) -> None:
    """Return once control answers. Log only its first failure, however long the wait is."""
    pause = FIRST_PAUSE
    while (error := _ping_error(control)) is not None:
        report(activity_after(error))
        if pause == FIRST_PAUSE:
            log.warning("waiting for control (ACTIVITY_CONTROL_URL): %s", error)
        time.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE)


def activity_after(error: redis.RedisError) -> str:
    """Return what a worker does after such an error of control, for its slot."""
    return REFUSED if isinstance(error, _REFUSALS) else WAITING


def _ping_error(control: redis.Redis) -> redis.RedisError | None:
    try:
        control.ping()
    except redis.RedisError as error:
        return error
    return None
