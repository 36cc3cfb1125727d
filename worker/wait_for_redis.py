"""Waiting for control before there is anything to do without it."""

import logging
import time

import redis

from worker import liveness

FIRST_PAUSE = 0.1
MAX_PAUSE = 2.0
_REFUSALS = (
    redis.exceptions.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.exceptions.NoPermissionError,
)

log = logging.getLogger(__name__)


def wait_for(control: redis.Redis) -> None:
    """Return once it answers. That it does not is said once, however long it takes."""
    pause = FIRST_PAUSE
    while (error := _fault(control)) is not None:
        liveness.moved(activity_after(error))
        if pause == FIRST_PAUSE:
            log.warning("waiting for control (ACTIVITY_CONTROL_URL): %s", error)
        time.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE)


def activity_after(error: redis.RedisError) -> str:
    """Return what a worker does after such an error of control, as a probe is told."""
    return liveness.REFUSED if isinstance(error, _REFUSALS) else liveness.WAITING


def _fault(control: redis.Redis) -> redis.RedisError | None:
    try:
        control.ping()
    except redis.RedisError as error:
        return error
    return None
