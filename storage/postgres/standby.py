"""One standby that readers may ask: whether it answers, and how far it is behind."""

import time
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import sqlalchemy as sa

from storage.errors import StorageError
from storage.failures import reason
from storage.model.wal_position import WalPosition
from storage.periodic import PeriodicThread
from storage.postgres.connector import impatient
from storage.postgres.engine import inspecting_engine, outside_transaction
from storage.postgres.wal import Replayed, replayed

WATCH_SECONDS = 1.0
ANSWER_SECONDS = 1.0
PAUSE_SECONDS = 5.0
"""For which no reader asks a standby that has failed one."""

UNKNOWN_LOOKS = 5

_NO_STANDBY = "it is no standby, but a primary"

StandbyState = Literal["reading", "behind", "away", "unknown"]


class StandbyView(NamedTuple):
    """What is known of a standby; what is None is unknown.

    `state`: readers use it; they would have to wait too long for it; it can't be used (`problem`
    says why); or it is not known which place it must have replayed.
    """

    name: str
    state: StandbyState
    lag_bytes: int | None
    lag_seconds: float | None
    problem: str | None


class Standby:
    """What this process knows of one standby. Threads may share it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_late = False  # the last reader has waited for it in vain
        self._problem: str | None = "it was not asked yet"
        self._paused_until = 0.0
        self._found: Replayed | None = None
        self._required: WalPosition | None = None
        self._unknown_looks = 0

    @property
    def is_askable(self) -> bool:
        """Whether readers should ask it."""
        return self._problem is None and time.monotonic() >= self._paused_until

    def is_lost(self) -> bool:
        """Return whether it did not answer when it was last looked at."""
        return self._found is None

    def pause(self) -> None:
        """Let no reader ask it for a while: it has failed one."""
        self._paused_until = time.monotonic() + PAUSE_SECONDS

    def tell(self, found: Replayed, required: WalPosition | None) -> None:
        """Record how far it has come, and which place readers must find there.

        Under load a writer is often pending just now. So the place counts as unknown only after
        UNKNOWN_LOOKS in a row.
        """
        self._unknown_looks = 0 if required else self._unknown_looks + 1
        if required or self._unknown_looks >= UNKNOWN_LOOKS:
            self._required = required
        self._found, self._problem = found, _mismatch(found, self._required)
        if required and found.position.includes(required):
            self.is_late = False

    def fail(self, problem: str) -> None:
        """Record that it can't be used."""
        self._found, self._problem = None, problem

    def view(self) -> StandbyView:
        """Return what is known now."""
        found, required, problem = self._found, self._required, self._problem
        if found is None or problem:
            return StandbyView(self.name, "away", None, None, problem)
        if not self.is_askable:
            return StandbyView(self.name, "away", None, None, "it has just failed a reader")
        if required is None:
            return StandbyView(self.name, "unknown", None, None, None)
        behind = max(0, required.lsn - found.position.lsn)
        seconds = found.seconds if behind else 0.0
        return StandbyView(
            self.name, "behind" if self.is_late else "reading", behind, seconds, None
        )


def to_mend(problems: Mapping[str, str | None]) -> dict[str, str]:
    """Return what an operator should mend, by the name of the standby; None is no problem.

    A list may name every member: its primary is no fault while a standby of the list can be used.
    """
    is_any_usable = None in problems.values()
    return {
        name: problem
        for name, problem in problems.items()
        if problem and not (is_any_usable and problem == _NO_STANDBY)
    }


def problem_of(url: str, primary: WalPosition) -> str | None:
    """Look at a standby once; return what keeps readers from it, None if nothing does."""
    engine = inspecting_engine(url)
    try:
        with outside_transaction(engine) as connection:
            found = replayed_on(connection)
    except StorageError as error:
        return reason(error)
    finally:
        engine.dispose()
    return _NO_STANDBY if found is None else _mismatch(found, primary)


def _mismatch(found: Replayed, required: WalPosition | None) -> str | None:
    if required is None or found.position[:2] == required[:2]:
        return None
    if found.position.system != required.system:
        return "it is no standby of the primary: its system_identifier is another"
    return (
        f"it is on timeline {found.position.timeline}, and the primary on {required.timeline}: it "
        "may be used after its next restart point at the latest"
    )


class StandbyWatch(PeriodicThread):
    """A thread that looks at one standby each second. Readers find out nothing of this by waiting.

    `required` tells the place in the WAL that readers must find there.
    """

    def __init__(
        self, standby: Standby, url: str, required: Callable[[], WalPosition | None]
    ) -> None:
        super().__init__(f"watching the standby {standby.name}", WATCH_SECONDS, at_once=True)
        self._standby = standby
        self._engine = inspecting_engine(url, "activity-standby")
        self._required = required

    def stop(self, seconds: float | None = ANSWER_SECONDS) -> None:
        """End the thread, and close the connection."""
        super().stop(seconds)
        self._engine.dispose()

    def run_once(self) -> None:
        """Look once. Raises what keeps readers from asking it."""
        required = self._required()
        try:
            with impatient(ANSWER_SECONDS), outside_transaction(self._engine) as connection:
                found = replayed_on(connection)
        except Exception as error:
            self._standby.fail(reason(error))
            raise
        if found is None:
            self._standby.fail(_NO_STANDBY)
        else:
            self._standby.tell(found, required)


def replayed_on(connection: sa.Connection) -> Replayed | None:
    """Return how far the standby has come, on a connection outside of a transaction."""
    return replayed(connection.connection.driver_connection)
