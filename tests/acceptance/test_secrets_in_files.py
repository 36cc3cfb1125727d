"""Run the API with addresses that are in files, as an orchestrator mounts them."""

import subprocess
import sys
from pathlib import Path

import httpx

from storage.settings import StorageSettings
from testbed.servers import environment
from testbed.waiting import wait_until

ADDRESSES = ("QUEUE_URL", "CONTROL_URL", "DATABASE_URL")
EVENT = {"component": "c", "environment": "e", "message": "m"}


def in_files(settings: StorageSettings, folder: Path) -> dict[str, str]:
    """Return the environment with each address in a file."""
    env = environment(settings, port=0)
    for name in ADDRESSES:
        file = folder / name
        file.write_text(env.pop(f"ACTIVITY_{name}") + "\n")
        file.chmod(0o400)
        env[f"ACTIVITY_{name}_FILE"] = str(file)
    return env


def test_events_are_accepted_with_addresses_from_files(
    settings: StorageSettings, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "api"],
        env=in_files(settings, tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        url = process.stdout.readline().removeprefix("listening: ").strip()
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            wait_until(lambda: client.get("/health/ready").status_code == 200, "the API")
            assert client.post("/events", json=EVENT).status_code == 202
    finally:
        process.terminate()
        said = process.communicate(timeout=60)[1]
    assert said == ""


def test_a_file_that_can_not_be_read_ends_the_command(
    settings: StorageSettings, tmp_path: Path
) -> None:
    env = in_files(settings, tmp_path)
    (tmp_path / "QUEUE_URL").unlink()
    for command in ("api", "worker", "migrate"):
        ended = subprocess.run(
            [sys.executable, "-m", "cli.main", command], env=env, capture_output=True, text=True
        )
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "ACTIVITY_QUEUE_URL_FILE" in ended.stderr
        assert "can't be read: No such file" in ended.stderr
