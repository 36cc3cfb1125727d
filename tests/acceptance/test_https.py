"""Serve HTTPS with a certificate of one's own: posts, pages, restarts, and slow clients."""

import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from activity_client import ActivityClient, BadCaFile
from storage.settings import StorageSettings
from testbed.servers import environment
from testbed.waiting import wait_until
from tests.support.api_command import ApiCommand, api_command
from tests.support.certificates import Authority
from tests.support.witness import ANSWER_SECONDS, Connect, witness

SECONDS = 60
EVENT = {"component": "c", "environment": "e", "message": "over TLS"}
BODY = json.dumps(EVENT).encode()
POST = b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
REQUEST = POST + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def api(settings: StorageSettings, authority: Authority) -> Iterator[ApiCommand]:
    certificate, key = authority.issue()
    options = ("--port", "0", "--tls-cert", str(certificate), "--tls-key", str(key))
    with api_command(settings, *options) as running:
        wait_until(lambda: is_answered(running, authority), "the first answer", SECONDS)
        yield running


@pytest.fixture
def http_client(api: ApiCommand, authority: Authority) -> Iterator[httpx.Client]:
    url = f"https://127.0.0.1:{api.port}"
    with httpx.Client(
        base_url=url, verify=authority.client_context(), trust_env=False, timeout=SECONDS
    ) as client:
        yield client


def is_answered(api: ApiCommand, authority: Authority) -> bool:
    with connected(api, authority) as client:
        client.sendall(b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return client.recv(100).startswith(b"HTTP/1.1 200")


def connected(api: ApiCommand, authority: Authority) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", api.port), SECONDS)
    return authority.client_context().wrap_socket(plain, server_hostname="127.0.0.1")


def tls(api: ApiCommand, authority: Authority) -> Connect:
    context = authority.client_context()
    return lambda: http.client.HTTPSConnection(
        "127.0.0.1", api.port, timeout=ANSWER_SECONDS, context=context
    )


def test_events_are_posted_and_read_over_one_connection(
    api: ApiCommand, http_client: httpx.Client
) -> None:
    assert api.address.startswith("https://")
    posted = http_client.post("/events", json=EVENT)
    assert posted.status_code == 202
    lines = "\n".join([json.dumps(EVENT)] * 3000)
    batch = http_client.post(
        "/events/batch", content=lines, headers={"content-type": "application/x-ndjson"}
    )
    assert batch.json()["accepted"] == 3000
    assert http_client.get(posted.headers["location"]).json()["message"] == "over TLS"
    wait_until(
        lambda: http_client.get("/events?component=x").headers["x-cache"] == "HIT", "a cached page"
    )
    assert len(http_client._transport._pool.connections) == 1  # type: ignore[attr-defined]


def test_a_post_that_comes_in_the_packet_behind_the_handshake_is_answered(
    api: ApiCommand, authority: Authority
) -> None:
    for _ in range(20):
        with connected(api, authority) as client, client.makefile("rb") as stream:
            client.sendall(REQUEST * 3)
            assert stream.readline() == b"HTTP/1.1 202 Accepted\r\n"


def test_a_client_that_does_not_trust_the_authority_gets_no_connection(api: ApiCommand) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"https://127.0.0.1:{api.port}/health", timeout=60, trust_env=False)


def test_plain_http_on_the_port_of_https_is_closed_and_logs_nothing(api: ApiCommand) -> None:
    with socket.create_connection(("127.0.0.1", api.port), SECONDS) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP" not in read_to_end(client)
    assert api.stop() == ""


def read_to_end(client: socket.socket) -> bytes:
    parts = []
    try:
        while part := client.recv(4096):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_a_client_that_ends_its_side_within_a_request_is_not_logged(
    api: ApiCommand, authority: Authority
) -> None:
    with connected(api, authority) as client:
        client.sendall(b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        with suppress(ssl.SSLError):  # the answer comes behind our end
            client.unwrap()
    assert api.stop() == ""


@pytest.mark.parametrize("first_bytes", [b"", b"\x16\x03\x01\x02\x00\x01"])
def test_a_handshake_that_does_not_end_is_ended(
    settings: StorageSettings, authority: Authority, first_bytes: bytes
) -> None:
    certificate, key = authority.issue()
    limits = {"body_seconds": 0.5, "tls_cert": certificate, "tls_key": key}
    with api_command(settings, "--port", "0", **limits) as api:
        wait_until(lambda: is_answered(api, authority), "the first answer", SECONDS)
        with socket.create_connection(("127.0.0.1", api.port), SECONDS) as client:
            client.sendall(first_bytes)
            assert read_to_end(client) == b""


def test_handshakes_count_as_connections(settings: StorageSettings, authority: Authority) -> None:
    certificate, key = authority.issue()
    limits = {"connections": 5, "tls_cert": certificate, "tls_key": key, "body_seconds": 600}
    with api_command(settings, "--port", "0", **limits) as api, ExitStack() as stack:
        wait_until(lambda: is_answered(api, authority), "the first answer", SECONDS)

        def is_closed() -> bool:
            client = socket.create_connection(("127.0.0.1", api.port), SECONDS)
            stack.enter_context(client).settimeout(0.2)
            try:
                return client.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionResetError:
                return True

        wait_until(is_closed, "a connection that is one too many", SECONDS)


def test_a_renewed_certificate_is_taken_by_a_rolling_restart_that_fails_no_request(
    api: ApiCommand, authority: Authority
) -> None:
    before = served_certificate(api, authority)
    with witness(tls(api, authority)) as seen:
        wait_until(lambda: seen.answered > 200 or seen.failures, "answers", SECONDS)
        authority.issue()  # into the same files
        api.restart()
        assert served_certificate(api, authority) != before
        enough = seen.answered + 200
        wait_until(lambda: seen.answered > enough or seen.failures, "answers", SECONDS)
    assert (seen.failures, seen.refused) == ([], 0)
    assert "complete" in api.stop()


def served_certificate(api: ApiCommand, authority: Authority) -> bytes | None:
    with connected(api, authority) as client:
        return client.getpeercert(binary_form=True)


def test_a_renewed_certificate_that_is_not_valid_leaves_the_old_one_in_use(
    api: ApiCommand, authority: Authority
) -> None:
    before = served_certificate(api, authority)
    (authority.folder / "server.key").write_text("not a key")
    api.process.send_signal(signal.SIGUSR1)
    log = api.process.stderr
    assert log
    wait_until(lambda: "was given up" in log.readline(), "the log", SECONDS)
    assert served_certificate(api, authority) == before


def test_a_client_that_never_answers_the_end_delays_a_stop_by_seconds_only(
    api: ApiCommand, authority: Authority
) -> None:
    with connected(api, authority) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while b"healthy" not in answer:
            answer += client.recv(4096)
        started = time.monotonic()
        said = api.stop()
        assert time.monotonic() - started < 30  # not until the transport's own limit, an hour
        assert "Cancel" not in said


def activity(*words: object, **settings: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", *map(str, words)]
    env = environment(StorageSettings(_env_file=None), **settings)
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)


def test_the_commands_and_the_client_trust_an_authority(
    api: ApiCommand, authority: Authority, tmp_path: Path
) -> None:
    url, ca = f"https://127.0.0.1:{api.port}", authority.file
    event = ("--component", "c", "--environment", "e", "--message", "m")
    sent = activity("send", *event, "--url", url, "--tls-ca", ca)
    assert sent.returncode == 0, sent.stderr
    file = tmp_path / "events.ndjson"
    file.write_text(json.dumps(EVENT) + "\n")
    sent = activity("send", file, "--checkpoint", tmp_path / "at", url=url, tls_ca=ca)
    assert sent.returncode == 0, sent.stderr
    refused = activity("send", *event, "--url", url, "--give-up", "0")
    assert refused.returncode == 1
    assert "certificate verify failed" in refused.stderr.lower()
    assert f"the address is {url} (--url, ACTIVITY_URL); --tls-ca" in refused.stderr
    plain = url.replace("https", "http")
    refused = activity("send", *event, "--url", plain, "--give-up", "0")
    assert refused.returncode == 1
    assert f"{plain} (--url, ACTIVITY_URL); if it speaks HTTPS, begin it with" in refused.stderr
    assert activity("send", *event, "--tls-ca", tmp_path / "nothing").returncode == 2
    with ActivityClient(url, ca_file=ca, component="c", environment="e") as client:
        client.send(message="m")
        assert client.flush(SECONDS)
    with pytest.raises(BadCaFile):
        ActivityClient(url, ca_file=tmp_path / "nothing")


def test_a_probe_of_https_needs_no_authority_and_may_verify_one(
    api: ApiCommand, authority: Authority, tmp_path: Path
) -> None:
    probe = ("health", "api", "--port", api.port)
    assert activity(*probe, tls_cert=tmp_path / "server.pem").returncode == 0
    assert activity(*probe, "--tls-ca", authority.file).returncode == 0
    other = tmp_path / "other"
    other.mkdir()
    refused = activity(*probe)
    assert refused.returncode == 1
    assert "if it speaks HTTPS, give --tls-ca" in refused.stdout
    refused = activity(*probe, "--tls-ca", Authority(other).file)
    assert refused.returncode == 1
    assert "CERTIFICATE_VERIFY_FAILED" in refused.stdout


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--tls-cert", "server.pem"), "--tls-key (ACTIVITY_TLS_KEY) is missing"),
        (("--tls-key", "server.key"), "--tls-cert (ACTIVITY_TLS_CERT) is missing"),
        (("--tls-cert", "server.pem", "--tls-key", "nothing"), "can't be read: No such file"),
        (("--tls-cert", "server.pem", "--tls-key", "ca.pem"), "not a file in PEM form"),
    ],
)
def test_a_wrong_file_ends_the_command_before_it_listens(
    authority: Authority, options: tuple[str, ...], reason: str, settings: StorageSettings
) -> None:
    authority.issue()
    assert authority.file
    named = [each if each.startswith("--") else authority.folder / each for each in options]
    for command in (["api"], ["up", "--data-dir", authority.folder / "data"]):
        ended = activity(*command, "--port", "0", *named, **settings.model_dump())
        assert ended.returncode == 2, ended.stderr
        assert reason in ended.stderr
        assert ended.stdout == ""
    assert not (authority.folder / "data").exists()
