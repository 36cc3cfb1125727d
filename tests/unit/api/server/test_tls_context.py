"""Test what is said of a certificate and its key before they are used."""

import datetime
import logging
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from api.server.tls_context import load
from storage.errors import SettingsError
from tests.support.certificates import Authority

PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def refusal(certificate: Path, key: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        load(certificate, key)
    return str(caught.value)


def test_a_certificate_with_its_key_is_loaded_without_a_word(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    load(*authority.issue())
    assert caplog.records == []


def test_a_file_that_is_missing_is_named(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue()
    nothing = tmp_path / "nothing"
    assert refusal(nothing, key) == (
        f"the TLS certificate {nothing} can't be read: No such file or directory"
    )
    assert refusal(certificate, nothing) == (
        f"the TLS key {nothing} can't be read: No such file or directory"
    )
    assert refusal(certificate, tmp_path) == (
        f"the TLS key {tmp_path} can't be read: Is a directory"
    )


def test_a_key_of_another_certificate_is_refused(authority: Authority) -> None:
    certificate, _ = authority.issue()
    _, other = authority.issue("other")
    assert refusal(certificate, other) == (
        f"the TLS key {other} does not belong to the certificate {certificate}"
    )


def test_files_that_are_not_pem_are_refused_and_not_shown(
    authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issue()
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    for said in (refusal(certificate, secret), refusal(secret, key)):
        assert str(secret) in said
        assert "a secret" not in said


def test_a_key_with_a_passphrase_asks_nobody(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue()
    encrypted = tmp_path / "encrypted"
    encrypted.write_bytes(
        load_pem_private_key(key.read_bytes(), None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a passphrase")
        )
    )
    assert refusal(certificate, encrypted) == (
        "the TLS key has a passphrase: give the key without one"
    )


def test_an_expired_certificate_is_used_with_a_warning(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = authority.issue(not_after=PAST)
    with caplog.at_level(logging.WARNING):
        load(certificate, key)
    assert caplog.messages == [
        f"the TLS certificate {certificate} has expired: Jan  1 00:00:00 2020 GMT"
    ]
