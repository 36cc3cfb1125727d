"""What an analyst waits for when `activity query` and `activity get` start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[4]
SCRIPT = """
import sys
from cli.entry import main
main(sys.argv[1:])
print(*sorted({"redis", "rq", "sqlalchemy", "fastapi", "alembic", "tqdm"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    "words",
    [
        ["query"],
        ["query", "--stats"],
        ["query", "--csv", "--all", "--columns", "data.n"],
        ["query", "--follow", "--give-up", "0"],
        ["query", "--since", "token"],
        ["get", "019a9b0c-6d2e-7b43-a1f0-5a3c2f1e0d9b"],
    ],
    ids=" ".join,
)
def test_they_wait_for_no_import_that_only_the_service_needs(
    words: list[str], tmp_path: Path
) -> None:
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "ACTIVITY_URL": "http://127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Connection refused" in told.stderr
    assert told.stdout.strip() == ""
