"""What a producer waits for when it starts `activity send`."""

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[4]
SCRIPT = """
import sys
from cli.entry import main
main(["send", "--component", "c", "--environment", "e", "--message", "m", "--give-up", "0.1"])
print(*sorted({"redis", "rq", "sqlalchemy", "fastapi", "alembic"} & set(sys.modules)))
"""


def test_it_waits_for_no_import_that_only_the_service_needs(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(CHECKOUT),
            "ACTIVITY_URL": "http://127.0.0.1:1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Connection refused" in told.stderr
    assert told.stdout.strip() == ""
