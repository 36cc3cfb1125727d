"""The command's words: help, exit statuses, and errors without a traceback."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from cli import state
from cli.embedded.lock import folder_lock
from cli.errors import AddressError, BadArguments
from cli.main import COMMANDS, main, parser, subcommand
from cli.process import listener
from cli.process.supervisor import describe_end
from cli.service_request import Response
from cli.urls import Urls

URLS = Urls("unix:///q", "unix:///c", "postgresql+psycopg2://activity@/activity?host=/run")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert f"usage: activity {command}" in said
    for example in subcommand(command).EXAMPLES:
        assert f"\n  {example}\n" in said


@pytest.mark.parametrize(
    "example", [line for name in COMMANDS for line in subcommand(name).EXAMPLES]
)
def test_every_example_of_a_help_text_is_accepted(example: str) -> None:
    line = example.replace('eval "$(', "").replace(')"', "")
    line = re.split("[<>]", line)[0]
    words = shlex.split(line, comments=True)
    assert words[words.index("activity") + 1 :]
    parser().parse(words[words.index("activity") + 1 :])


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"activity {version('activity-service')}\n"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["statsu"], "argument COMMAND: there is no 'statsu'; did you mean status?"),
        (["frobnicate"], "there is no 'frobnicate' (known: up, api, worker, "),
        (["dead-letters", "lst"], "there is no 'lst'; did you mean list?"),
        (["status", "--jsn"], "unrecognized arguments: --jsn; did you mean --json?"),
        (["send", "f", "--reject=x"], ""),  # an abbreviation that is clear is taken
        (["send", "f", "--rejcted=x"], "--rejcted=x; did you mean --rejected?"),
        (["dead-letters", "replay", "--al"], ""),
        (["dead-letters", "list", "--dta-dir", "x"], "did you mean --data-dir?"),
        (["completion", "bsh"], "there is no 'bsh'; did you mean bash?"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_nearest(arguments: list[str], hint: str) -> None:
    if not hint:
        parser().parse(arguments)
        return
    with pytest.raises(BadArguments) as told:
        parser().parse(arguments)
    assert hint in str(told.value)
    if arguments[0] in COMMANDS:
        assert told.value.usage.startswith(f"usage: activity {arguments[0]}")


@pytest.mark.parametrize(
    ("arguments", "status", "kind"),
    [
        (["status", "--json"], 1, "NothingRuns"),
        (["migrate", "--json"], 1, "NothingRuns"),
        (["dead-letters", "list", "--json"], 1, "NothingRuns"),
        (["send", "--json", "/nowhere/at/all"], 1, "SendError"),
        (["send", "--json"], 2, "UsageError"),
        (["status", "--json", "--nonsense"], 2, "BadArguments"),
    ],
)
def test_with_json_an_error_is_json_on_standard_output_too(
    arguments: list[str],
    status: int,
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    where = [] if "send" in arguments else ["--data-dir", str(tmp_path)]
    assert main([*arguments, *where]) == status
    said = capsys.readouterr()
    error = json.loads(said.out)["error"]
    assert (error["type"], error["exit_status"]) == (kind, status)
    assert said.err.endswith(f"activity: error: {error['message']}\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in (*COMMANDS, "--data-dir", "replay"))
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("st", ["status"]),
        ("dead-letters re", ["replay"]),
        ("send --rej", ["--rejected"]),
        ("send ev", ["events.ndjson"]),
        ("up --data-dir da", ["data"]),
        ("completion f", ["fish"]),
        ("query --foll", ["--follow"]),
        ("query --not-c", ["--not-component"]),
        ("query --interval w", ["week"]),
        ("query --since ev", ["events.ndjson"]),
        ("get --js", ["--json"]),
        ("sql --data-dir da", ["data"]),
    ],
)
def test_bash_completes_commands_options_and_files(
    typed: str, expected: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "events.ndjson").touch()
    (tmp_path / "data").mkdir()
    main(["completion", "bash"])
    words = ["activity", *typed.split()]
    asked = (
        f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; "
        '_shtab_activity; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    ended = subprocess.run(
        ["bash", "-c", f"{capsys.readouterr().out}\n{asked}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.split() == expected


def test_watching_goes_on_while_nothing_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = iter([None, KeyboardInterrupt])

    def pause(seconds: float) -> None:
        assert seconds == 2
        if (stop := next(pauses)) is not None:
            raise stop

    monkeypatch.setattr("cli.commands.status.time.sleep", pause)
    assert main(["status", "--watch", "--data-dir", str(tmp_path)]) == 0
    first, second = capsys.readouterr().out.split("\n\n")
    for report in (first, second):  # a blank line between them, and the time above each
        time, text = report.splitlines()
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", time)
        assert text.startswith("nothing runs on the data folder")


@pytest.mark.parametrize(
    "arguments", [[], ["down"], ["up", "--never"], ["status", "--json", "yes"]]
)
def test_bad_usage_is_an_error_of_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: activity")
    assert "\nactivity: error: " in said


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
        f"activity: error: nothing runs on the data folder {tmp_path}; choose another "
        "with --data-dir or ACTIVITY_DATA_DIR\n"
    )
    assert ("--json" in command) == bool(said.out)


def test_status_lists_only_what_lives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    processes = [("supervisor", os.getpid()), ("api", dead)]
    with folder_lock(tmp_path / "lock"):
        state.write(tmp_path / "state.json", state.State("http://127.0.0.1:1", URLS, processes))
        assert main(["status", "--json", "--data-dir", str(tmp_path)]) == 1
        said = capsys.readouterr()
        assert json.loads(said.out) == {
            "url": "http://127.0.0.1:1",
            "processes": [{"role": "supervisor", "pid": os.getpid()}],
            "service": None,
        }
        assert said.err == "activity: no API process answers\n"
        assert main(["status", "--data-dir", str(tmp_path)]) == 1
        verdict, url, *_, process = capsys.readouterr().out.splitlines()
        assert verdict == "UNKNOWN: no API process answers"
        assert url == "http://127.0.0.1:1"
        assert process.split() == ["supervisor", str(os.getpid())]
        assert state.running(tmp_path).urls == URLS
    assert main(["status", "--data-dir", str(tmp_path)]) == 1  # the file alone proves nothing


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        ((200, {"status": "degraded"}), 0, ""),
        ((401, {}), 1, "GET /status answers 401: an API key with the scope `observe`"),
        ((403, {}), 1, "GET /status answers 403: an API key with the scope `observe`"),
        ((500, {}), 1, "GET /status answers 500"),
        ((200, None), 1, "no API process answers"),
    ],
)
def test_status_fails_if_nothing_is_known_of_the_service(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: tuple[int, dict[str, str] | None],
    status: int,
    told: str,
) -> None:
    code, document = answer
    response = Response(code, b"" if document is None else json.dumps(document).encode())
    monkeypatch.setattr("cli.commands.status.get", lambda *args: response)
    with folder_lock(tmp_path / "lock"):
        state.write(tmp_path / "state.json", state.State("http://127.0.0.1:1", URLS, []))
        assert main(["status", "--json", "--data-dir", str(tmp_path)]) == status
        said = capsys.readouterr()
        assert json.loads(said.out)["service"] == (None if status else document)
        assert said.err.startswith(f"activity: {told}" if told else "")
        assert main(["status", "--data-dir", str(tmp_path)]) == status
        assert told in capsys.readouterr().out


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


def test_a_reader_that_goes_away_is_no_error_of_ours() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "cli.main", "completion", "bash"]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device here")
def test_output_that_finds_no_room_is_an_error_of_status_1() -> None:
    command = [sys.executable, "-m", "cli.main", "completion", "bash"]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (1, "activity: error: No space left on device\n")


def test_a_watch_without_a_pause_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--watch", "0"]) == 2
    assert "'0' is less than 0.1 seconds" in capsys.readouterr().err


def test_without_a_command_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    said = capsys.readouterr().err
    assert all(f"\n    {name}" in said for name in COMMANDS)


def test_up_on_a_port_that_is_in_use_leaves_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port, folder = other.getsockname()[1], tmp_path / "data"
        assert main(["up", "--port", str(port), "--data-dir", str(folder)]) == 1
    assert "is in use" in capsys.readouterr().err
    assert not folder.exists()
