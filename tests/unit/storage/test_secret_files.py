"""Addresses and passwords may be in files, which `ACTIVITY_<NAME>_FILE` names."""

import os
from pathlib import Path

import pytest

from storage.errors import SettingsError
from storage.secret_files import MAX_BYTES, file_variables
from storage.settings import StorageSettings

VARIABLES = [
    "ACTIVITY_QUEUE_URL_FILE",
    "ACTIVITY_CONTROL_URL_FILE",
    "ACTIVITY_QUEUE_PASSWORD_FILE",
    "ACTIVITY_CONTROL_PASSWORD_FILE",
    "ACTIVITY_DATABASE_URL_FILE",
    "ACTIVITY_DATABASE_PASSWORD_FILE",
    "ACTIVITY_READ_URL_FILE",
]
TEXTS = {
    "queue_url": "redis://u@queue:1/0",
    "control_url": "redis://u@control:2/0",
    "database_url": "postgresql+psycopg2://u:p@db/activity",
    "read_url": "postgresql+psycopg2://u:p@db2/activity",
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("ACTIVITY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def secret(text: str | bytes, name: str = "secret", mode: int = 0o400) -> Path:
    path = Path(name).absolute()
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return path


def refusal() -> str:
    with pytest.raises(SettingsError) as caught:
        StorageSettings()
    return str(caught.value)


def test_every_address_and_password_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert file_variables(StorageSettings) == VARIABLES
    for name, text in TEXTS.items():
        monkeypatch.setenv(f"ACTIVITY_{name.upper()}_FILE", str(secret(f"{text}\n", name)))
    password = secret("p@ss word\n")
    monkeypatch.setenv("ACTIVITY_QUEUE_PASSWORD_FILE", str(password))
    found = StorageSettings()
    assert found.queue_url == "redis://u:p%40ss%20word@queue:1/0"
    assert found.control_url == TEXTS["control_url"]
    assert found.database_url == TEXTS["database_url"]
    assert found.read_url == TEXTS["read_url"]
    assert "queue_url" in found.model_fields_set


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_one_line_end_is_no_part_of_the_secret(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTIVITY_QUEUE_PASSWORD_FILE", str(secret(f" p \n{end}")))
    password = StorageSettings().queue_password
    assert password is not None
    assert password.get_secret_value() == (" p \n" if end else " p ")


def test_a_link_to_a_file_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("link").symlink_to(secret("redis://k8s:1/0"))
    monkeypatch.setenv("ACTIVITY_QUEUE_URL_FILE", "link")
    assert StorageSettings().queue_url == "redis://k8s:1/0"


def test_a_variable_and_its_file_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTIVITY_QUEUE_URL_FILE", str(secret("redis://file:1/0")))
    monkeypatch.setenv("ACTIVITY_QUEUE_URL", "redis://variable:1/0")
    assert refusal() == (
        "ACTIVITY_QUEUE_URL and ACTIVITY_QUEUE_URL_FILE are both set: leave out one of them"
    )


def test_the_environment_overrides_env_and_arguments_override_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_env = secret("redis://env-file:1/0", "in-env")
    Path(".env").write_text(f"ACTIVITY_QUEUE_URL_FILE={in_env}\nACTIVITY_CONTROL_URL=redis://e:1\n")
    assert StorageSettings().queue_url == "redis://env-file:1/0"
    monkeypatch.setenv("ACTIVITY_QUEUE_URL", "redis://variable:1/0")
    assert StorageSettings().queue_url == "redis://variable:1/0"
    monkeypatch.setenv("ACTIVITY_CONTROL_URL_FILE", str(secret("redis://file:1/0")))
    assert StorageSettings().control_url == "redis://file:1/0"
    monkeypatch.setenv("ACTIVITY_CONTROL_URL_FILE", "missing")
    assert StorageSettings(control_url="redis://argument:1").control_url == "redis://argument:1"


def test_an_empty_variable_names_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTIVITY_QUEUE_URL_FILE", "")
    assert StorageSettings().queue_url == "redis://localhost:6379/0"


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        (b"", 0o400, "is empty"),
        (b"\n", 0o400, "is empty"),
        (b"secret-\xff", 0o400, "is not UTF-8 text"),
        (b"secret-" * MAX_BYTES, 0o400, f"has more than {MAX_BYTES} bytes"),
        (b"secret-", 0o402, "may be written by every user: chmod o-w"),
    ],
)
def test_an_unfit_file_is_named_and_not_shown(
    content: bytes, mode: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = secret(content, mode=mode)
    monkeypatch.setenv("ACTIVITY_QUEUE_PASSWORD_FILE", str(path))
    assert refusal() == f"ACTIVITY_QUEUE_PASSWORD_FILE: {path} {reason}"


def test_what_is_no_file_ends_the_start_instead_of_blocking_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    os.mkfifo("pipe")
    for path, reason in (
        ("missing", "can't be read: No such file or directory"),
        (".", "is not a regular file"),
        ("pipe", "is not a regular file"),
    ):
        monkeypatch.setenv("ACTIVITY_DATABASE_URL_FILE", path)
        assert refusal() == f"ACTIVITY_DATABASE_URL_FILE: {path} {reason}"


def test_an_address_in_a_file_that_is_not_valid_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACTIVITY_QUEUE_URL_FILE", str(secret("secret")))
    said = refusal()
    assert "ACTIVITY_QUEUE_URL" in said
    assert "secret" not in said
