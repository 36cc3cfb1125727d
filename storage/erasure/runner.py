"""Go through the steps of all erasures, in one process at a time."""

import logging
from collections.abc import Callable

import sqlalchemy as sa

from storage.erasure import records
from storage.erasure.eraser import Eraser
from storage.postgres import locks
from storage.postgres.engine import outside_transaction, transaction
from storage.postgres.locks import Lock

log = logging.getLogger(__name__)


def run_pending(
    engine: sa.Engine, eraser: Eraser, stopping: Callable[[], bool] = bool
) -> bool | None:
    """Advance every erasure until it waits or is done; return whether one is left.

    Returns None if another process does so. An erasure that fails does not keep the others from
    going on: the first error is raised at the end.
    """
    with transaction(engine) as connection:
        if not records.unfinished(connection):
            return False
    with outside_transaction(engine) as holder:
        if not locks.try_acquire_for_session(holder, Lock.ERASURE):
            return None
        try:
            return _advance_all(engine, eraser, stopping)
        finally:
            locks.release_for_session(holder, Lock.ERASURE)


def _advance_all(engine: sa.Engine, eraser: Eraser, stopping: Callable[[], bool]) -> bool:
    failed: Exception | None = None
    with transaction(engine) as connection:
        pending = [record.id for record in records.unfinished(connection)]
    for erasure in pending:
        try:
            while not stopping() and eraser.advance_by_id(erasure):
                pass
        except Exception as error:  # noqa: BLE001 - the others go on
            failed = failed or error
    if failed:
        raise failed
    with transaction(engine) as connection:
        return bool(records.unfinished(connection))
