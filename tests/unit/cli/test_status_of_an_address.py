"""`activity status --url`: the status of a service that only its address names."""

import json
import ssl
from collections.abc import Sequence

import pytest

from cli.main import main
from cli.service_request import Response


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("http://127.0.0.1:1", ("127.0.0.1", 1, "/status")),
        ("https://a.example.com/log/", ("a.example.com", 443, "/log/status")),
    ],
)
def test_the_status_of_a_service_is_asked_by_its_address(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    address: str,
    asked: tuple[str, int, str],
) -> None:
    calls: list[Sequence[object]] = []

    def get(*args: object) -> Response:
        calls.append(args)
        return Response(200, b'{"status": "ok", "attention": []}')

    monkeypatch.setattr("cli.commands.status.get", get)
    assert main(["status", "--json", "--url", address]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["url"], found["processes"]) == (address.rstrip("/"), None)
    [[*where, _, _, _, tls]] = calls
    assert tuple(where) == asked
    assert (tls is not None) is address.startswith("https:")
    if isinstance(tls, ssl.SSLContext):  # what is sent has an API key
        assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert main(["status", "--url", address]) == 0
    assert "Processes" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>", "what answers there is no Activity Service"),
        (b"[]", "what answers there is no Activity Service"),
        (ConnectionRefusedError(111, "Connection refused"), "no API process answers: Connection"),
    ],
)
def test_an_address_without_a_service_is_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    body: bytes | Exception,
    told: str,
) -> None:
    def get(*args: object) -> Response:
        if isinstance(body, Exception):
            raise body
        return Response(200, body)

    monkeypatch.setattr("cli.commands.status.get", get)
    assert main(["status", "--url", "http://there:1"]) == 1
    assert capsys.readouterr().out.startswith(f"UNKNOWN: {told}")
    assert main(["status", "--url", "there"]) == 2
    assert main(["status", "--url", "http://there:1", "--data-dir", "x"]) == 2
