"""Every check, in the order of the report; docs/doctor.md has the same table."""

from collections.abc import Mapping, Sequence

from cli.doctor import (
    control_checks,
    database_checks,
    erasure_checks,
    failover_checks,
    key_checks,
    machine_checks,
    queue_checks,
    retention_checks,
    schema_checks,
    sentinel_checks,
    shared_checks,
)
from cli.doctor.check import Check

OF_SERVER: Mapping[str, Sequence[Check]] = {
    "queue": (*queue_checks.CHECKS, *failover_checks.CHECKS, *sentinel_checks.CHECKS),
    "control": control_checks.CHECKS,
    "database": (
        *database_checks.CHECKS,
        *schema_checks.CHECKS,
        *retention_checks.CHECKS,
        *erasure_checks.CHECKS,
    ),
}
"""The checks that ask one server only. Each server has a thread of its own."""

SHARED: Sequence[Check] = (*shared_checks.CHECKS, *machine_checks.CHECKS, *key_checks.CHECKS)
"""The checks that ask several servers, after all others."""

CHECKS: Sequence[Check] = (*(each for checks in OF_SERVER.values() for each in checks), *SHARED)
