"""The command's words: help, exit statuses, and errors without a traceback."""

import json
import os
import socket
from pathlib import Path

import pytest

from cli import listener, state
from cli.embedded.lock import folder_lock
from cli.errors import AddressError
from cli.main import main
from cli.supervisor import describe_end
from cli.urls import Urls

URLS = Urls("unix:///q", "unix:///c", "postgresql+psycopg2://activity@/activity?host=/run")


@pytest.mark.parametrize(
    "command", ["up", "api", "worker", "migrate", "status", "health", "send", "dead-letters"]
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"usage: activity {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["down"], ["up", "--never"], ["status", "--json", "yes"]]
)
def test_bad_usage_is_an_error_of_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "\nactivity: error: " in capsys.readouterr().err


def test_an_unacceptable_value_is_bad_usage_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "--port", "many"]) == 2
    assert capsys.readouterr().err.startswith("activity: error: --port (ACTIVITY_PORT): ")


@pytest.mark.parametrize("command", [["status"], ["status", "--json"], ["api"], ["migrate"]])
def test_a_folder_on_which_nothing_runs_is_said_to_be_so(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--data-dir", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.err == (
        f"activity: error: nothing runs on the data folder {tmp_path}; --data-dir names another "
        "(ACTIVITY_DATA_DIR for `up` and `status`)\n"
    )
    assert said.out == ""


def test_status_lists_only_what_lives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    processes = [("supervisor", os.getpid()), ("api", dead)]
    with folder_lock(tmp_path / "lock"):
        state.write(tmp_path / "state.json", state.State("http://127.0.0.1:1", URLS, processes))
        assert main(["status", "--json", "--data-dir", str(tmp_path)]) == 0
        assert json.loads(capsys.readouterr().out) == {
            "url": "http://127.0.0.1:1",
            "processes": [{"role": "supervisor", "pid": os.getpid()}],
            "service": None,
        }
        assert main(["status", "--data-dir", str(tmp_path)]) == 0
        url, process, *_, end = capsys.readouterr().out.splitlines()
        assert (url, end) == ("http://127.0.0.1:1", "no API process answers")
        assert process.split() == ["supervisor", str(os.getpid())]
        assert state.running(tmp_path).urls == URLS
    assert main(["status", "--data-dir", str(tmp_path)]) == 1  # the file alone proves nothing


def test_a_run_that_is_only_starting_is_said_to_be_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with folder_lock(tmp_path / "lock"):
        assert main(["status", "--data-dir", str(tmp_path)]) == 1
    assert "is starting or ending: try again" in capsys.readouterr().err


def test_the_state_file_is_for_us_alone_and_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state.write(path, state.State("http://a", URLS, []))
    state.write(path, state.State("http://b", URLS, []))
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["state.json"]


def test_a_taken_port_is_refused_with_the_remedy() -> None:
    with listener.listen("127.0.0.1", 0) as taken:
        port = listener.port_of(taken)
        with pytest.raises(
            AddressError, match=f"^port {port} on 127.0.0.1 is in use; choose another with --port$"
        ):
            listener.listen("127.0.0.1", port)
    listener.listen("127.0.0.1", port).close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_a_host_that_is_not_ours_is_refused(host: str) -> None:
    with pytest.raises(AddressError, match="see --host"):
        listener.listen(host, 0)


def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert listener.url("::1", 5000) == "http://[::1]:5000"
    assert listener.url("localhost", 5000) == "http://localhost:5000"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6_can_be_listened_on() -> None:
    try:
        with listener.listen("::1", 0) as one:
            assert one.family is socket.AF_INET6
    except AddressError:
        pytest.skip("no IPv6 loopback here")


def test_ends_are_described_as_people_name_them() -> None:
    assert describe_end(3) == "status 3"
    assert describe_end(-9) == "SIGKILL"
    assert describe_end(-200) == "signal 200"
