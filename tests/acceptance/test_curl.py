"""Post from the shell: curl and gzip as the documentation shows them."""

import json
import subprocess
from pathlib import Path
from typing import Any

from testbed.service import Service


def shell(script: str, running: Service, folder: Path) -> Any:
    """Run a script, which finds the service at $URL; return the JSON that it prints."""
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "URL": running.url}
    done = subprocess.run(
        ["sh", "-euc", script], cwd=folder, env=env, capture_output=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def test_one_event_with_curl(running: Service, tmp_path: Path) -> None:
    event = '{"component":"shell","environment":"test","message":"hello from curl"}'
    found = shell(f"curl -sS \"$URL/events?ack=stored\" --json '{event}'", running, tmp_path)
    assert found["receipt"] == "stored"
    assert [one["id"] for one in running.events(component="shell")] == [found["id"]]


def test_a_gzipped_file_of_lines_with_curl(running: Service, tmp_path: Path) -> None:
    lines = [
        {"component": "file", "environment": "test", "message": f"line {number}"}
        for number in range(2_000)
    ]
    (tmp_path / "events.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = shell(
        'gzip -c events.ndjson | curl -sS "$URL/events/batch?ack=stored" --data-binary @- '
        "-H 'Content-Type: application/x-ndjson' -H 'Content-Encoding: gzip'",
        running,
        tmp_path,
    )
    assert (found["accepted"], found["rejected"]) == (2_000, 0)
    newest = running.events(component="file", limit=3)
    assert [one["message"] for one in newest] == ["line 1999", "line 1998", "line 1997"]
