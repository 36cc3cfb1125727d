"""Ports for the servers under test."""

import random
import subprocess
import sys

from testbed.ports import free_ports

ANOTHER = (
    "import random; random.seed(7); from testbed.ports import free_ports; print(*free_ports(3))"
)


def test_what_a_process_has_chosen_no_other_chooses() -> None:
    state = random.getstate()
    random.seed(7)
    try:
        ours = free_ports(3)
    finally:
        random.setstate(state)
    told = subprocess.run([sys.executable, "-c", ANOTHER], capture_output=True, check=True)
    theirs = [int(port) for port in told.stdout.split()]
    assert len({*ours, *theirs}) == 6
