"""Use keys in every way, then search for their tokens: data folder, logs, outputs, processes."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from cli.embedded.lock import is_held
from storage.access import token
from testbed.servers import data_folder
from testbed.waiting import wait_until
from tests.acceptance.test_up import ROOT, environment

ACTIVITY = [sys.executable, "-m", "cli.main"]
EVENT = {"component": "pay-eu", "environment": "prod", "message": "m"}
PROCESS_FILES = ("cmdline", "environ")


@pytest.fixture
def folder() -> Iterator[Path]:
    with data_folder() as data:
        yield data
        wait_until(lambda: not is_held(data / "lock"), "the last process to be gone")


class Witness:
    """Collects what processes show of themselves, as `ps` sees it, until it is stopped."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._stopping.wait(0.01):
            for process in Path("/proc").glob("[0-9]*"):
                self._look_at(process)

    def _look_at(self, process: Path) -> None:
        for name in PROCESS_FILES:
            try:
                self.seen.add((process / name).read_bytes())
            except OSError:  # it has ended, or is somebody else's
                continue

    def __enter__(self) -> "Witness":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()


@contextmanager
def up(folder: Path, key_file: Path) -> Iterator[tuple[str, list[bytes]]]:
    """Run the service; yield its address, and afterwards what it has printed."""
    command = [*ACTIVITY, "up", "--port", "0", "--data-dir", str(folder)]
    env = {**environment(), "ACTIVITY_ADMIN_KEY_FILE": str(key_file)}
    log = folder.with_name("output")
    said: list[bytes] = []
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=output
        )
        assert process.stdout is not None
        try:
            ready = process.stdout.readline().decode()
            assert ready.startswith("ready: "), log.read_text()
            yield ready.split()[1], said
            process.terminate()
            said.append(process.communicate(timeout=60)[0])
            said.append(log.read_bytes())
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


class Command:
    """Runs `activity` on the folder, and keeps what it prints beside its results."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.said: list[bytes] = []

    def new_token(self, *words: str) -> str:
        """Return the token that the command prints, which is all that may have it."""
        done = self._run(*words, "--json")
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        self.said.append(json.dumps({**document, "token": ""}).encode())
        text: str = document["token"]
        return text

    def act(self, *words: str) -> int:
        done = self._run(*words)
        self.said.append(done.stdout)
        return done.returncode

    def _run(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        done = subprocess.run(
            [*ACTIVITY, *words, "--data-dir", str(self._folder)],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
        )
        self.said.append(done.stderr)
        return done


def is_known(client: httpx.Client, text: str) -> bool:
    """Return whether the service has noticed the key, which takes up to a second."""
    return client.get("/events", headers={"authorization": f"Bearer {text}"}).status_code != 401


def use(url: str, text: str) -> None:
    """Post and query with the token, and with one that has a typing error."""
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        wait_until(partial(is_known, client, text), "the key to be noticed")
        for given in (text, text[:-1] + ("a" if text[-1] != "a" else "b"), text[:-3]):
            headers = {"authorization": f"Bearer {given}"}
            client.post("/events", json=EVENT, headers=headers)
            client.post("/events", content=b"{", headers=headers)
            client.get("/events", headers=headers)
            client.get("/status", headers=headers)


def use_session(url: str, text: str) -> str:
    """Sign in with the token, use the session and a mistyped one, and return its token."""
    own = {"activity-explorer": "1"}
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        signed_in = client.post("/session", json={"key": text}, headers=own)
        assert signed_in.status_code == 200, signed_in.text
        session = signed_in.cookies["activity-session"]
        client.cookies.clear()
        for given in (session, session[:-1] + ("a" if session[-1] != "a" else "b")):
            headers = {"cookie": f"activity-session={given}", **own}
            client.post("/events", json=EVENT, headers=headers)
            client.post("/events", content=b"{", headers=headers)
            client.get("/events", headers=headers)
            client.get("/session", headers=headers)
            client.get(f"/events/{given}", headers=headers)
    return session


def found_in(folder: Path, secrets: list[bytes]) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 100  # the queue's and PostgreSQL's
    return [path for path in files if any(secret in path.read_bytes() for secret in secrets)]


def test_no_token_is_in_any_file_log_message_or_process(folder: Path) -> None:
    key_file = folder.with_name("admin-key")
    with Witness() as witness, up(folder, key_file) as (url, said):
        command = Command(folder)
        grants = ("--scope", "write", "--scope", "read", "--component", "pay-*")
        tokens = [key_file.read_text().strip()]
        tokens.append(command.new_token("keys", "create", "billing", *grants))
        tokens.append(command.new_token("keys", "rotate", "billing", "--overlap", "1h"))
        for text in tokens:
            use(url, text)
        sessions = [use_session(url, text) for text in tokens]
        first = token.id_of(tokens[1])
        assert command.act("keys", "revoke", first) == 0
        assert command.act("keys", "revoke", "billing", "--in", "1h") == 0
        for words in (("keys", "list", "--all"), ("keys", "show", first), ("audit",)):
            assert command.act(*words) == 0
        assert command.act("keys", "create", "billing", "--scope", "wrong") == 2
    secrets = [text[13:45].encode() for text in tokens]
    secrets += [session.rpartition("_")[2].encode() for session in sessions]
    assert all(len(secret) == token.SECRET_LENGTH for secret in secrets)
    assert found_in(folder, secrets) == []
    for where in (command.said, said, witness.seen):
        assert where
        assert not [each for each in where if any(secret in each for secret in secrets)]
    # What is kept of a token is its digest, so the search has looked where keys are.
    digests = [token.digest(text) for text in tokens]
    assert found_in(folder, [digest.hex().encode() for digest in digests])
    assert found_in(folder, digests)
    assert key_file.stat().st_mode & 0o777 == 0o600
