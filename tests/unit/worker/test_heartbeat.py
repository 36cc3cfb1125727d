"""The heartbeat: what a failed renewal changes, and what ends it."""

import threading

from storage.errors import LeaseLost, QueueUnavailable
from testbed.waiting import wait_until
from worker.heartbeat import Heartbeat

LEASE_MS = 30


class FailingLease:
    """A lease whose renewals raise the given errors, one after the other, then succeed."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.renewals = 0

    def renew(self) -> None:
        self.renewals += 1
        if self._errors:
            raise self._errors.pop(0)


def test_a_heartbeat_goes_on_after_renewals_that_failed() -> None:
    lease = FailingLease(QueueUnavailable("away"), QueueUnavailable("still away"))
    with Heartbeat(lease, LEASE_MS):  # type: ignore[arg-type]
        wait_until(lambda: lease.renewals >= 4, "renewals after the failed ones")


def test_a_heartbeat_ends_once_the_lease_is_lost() -> None:
    lease = FailingLease(LeaseLost("taken over"))
    with Heartbeat(lease, LEASE_MS):  # type: ignore[arg-type]
        wait_until(lambda: "heartbeat" not in map(_name, threading.enumerate()), "its end")
    assert lease.renewals == 1


def _name(thread: threading.Thread) -> str:
    return thread.name
