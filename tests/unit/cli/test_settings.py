"""Options override the environment, and what is not acceptable is named."""

from pathlib import Path

import pytest

from cli import data_dir
from cli.errors import UsageError
from cli.process.spawn import Account
from cli.settings import CliSettings, child_environment, load_settings, server_environment


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CliSettings.model_fields:
        monkeypatch.delenv(f"ACTIVITY_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_defaults_serve_on_the_loopback_address() -> None:
    settings = load_settings({})
    assert (settings.host, settings.port) == ("127.0.0.1", 5000)
    assert (settings.api_processes, settings.workers) == (1, 2)
    assert settings.data_dir == Path(".data")


def test_an_option_overrides_the_environment_which_overrides_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("ACTIVITY_PORT=1\nACTIVITY_WORKERS=3\nACTIVITY_OTHER=x\n")
    monkeypatch.setenv("ACTIVITY_PORT", "2")
    assert load_settings({"port": None}).port == 2
    assert load_settings({"port": "3"}).port == 3
    assert load_settings({}).workers == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", "65536"), ("port", "http"), ("api_processes", "0"), ("queue_maxmemory", "0")],
)
def test_what_is_not_acceptable_is_named_as_option_and_as_variable(name: str, value: str) -> None:
    option = name.replace("_", "-")
    with pytest.raises(UsageError, match=rf"--{option} \(ACTIVITY_{name.upper()}\): "):
        load_settings({name: value})


def test_every_setting_is_described() -> None:
    assert all(field.description for field in CliSettings.model_fields.values())


def test_children_get_the_addresses_and_servers_nothing_of_the_callers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACTIVITY_QUEUE_URL", "theirs")
    monkeypatch.setenv("PGDATA", "theirs")
    monkeypatch.setenv("LC_TIME", "theirs")
    monkeypatch.setenv("PYTHONPATH", "theirs")
    child = child_environment("ours", {"ACTIVITY_QUEUE_URL": "ours"})
    assert child["ACTIVITY_QUEUE_URL"] == "ours"
    assert child["PYTHONPATH"] == "ours:theirs"
    server = server_environment()
    assert not {"ACTIVITY_QUEUE_URL", "PGDATA", "LC_TIME"} & set(server)
    assert (server["LC_ALL"], server["TZ"]) == ("C", "UTC")


def test_a_default_data_folder_out_of_reach_is_replaced_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = Account("nobody", 65534, 65534, ())
    monkeypatch.setattr(data_dir, "server_account", lambda cluster: nobody)
    monkeypatch.setattr(data_dir, "first_closed_folder", lambda account, folder: tmp_path)
    found = data_dir.data_folder(load_settings({}))
    assert found.parent == Path("/var/lib/activity-service")
    assert len(found.name) == 12
    assert found == data_dir.data_folder(load_settings({}))
    assert str(found) in caplog.text


def test_a_data_folder_that_was_named_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_dir, "_within_reach", lambda folder: False)
    assert data_dir.data_folder(load_settings({"data_dir": "here"})) == tmp_path / "here"
    monkeypatch.setenv("ACTIVITY_DATA_DIR", "there")
    assert data_dir.data_folder(load_settings({})) == tmp_path / "there"


def test_a_default_data_folder_within_reach_is_below_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_dir, "_within_reach", lambda folder: True)
    assert data_dir.data_folder(load_settings({})) == tmp_path / ".data"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("port", "abc", "--port (ACTIVITY_PORT): 'abc' is not a whole number from 0 to 65535"),
        ("port", "99999", "'99999' is not a whole number from 0 to 65535"),
        ("workers", "0", "'0' is not a whole number from 1 to 64"),
        ("queue_maxmemory", "much", "'much' is not a size like 512mb or 1gb"),
    ],
)
def test_a_wrong_value_is_told_with_what_would_be_right(name: str, value: str, text: str) -> None:
    with pytest.raises(UsageError) as error:
        load_settings({name: value})
    assert text in str(error.value)


def test_the_file_of_an_address_does_not_reach_a_process_that_gets_the_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACTIVITY_QUEUE_URL_FILE", "/run/secrets/queue")
    assert "ACTIVITY_QUEUE_URL_FILE" not in child_environment("ours", {"ACTIVITY_QUEUE_URL": "o"})
    assert child_environment("ours", {})["ACTIVITY_QUEUE_URL_FILE"] == "/run/secrets/queue"
