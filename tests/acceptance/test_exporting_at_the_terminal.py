"""`activity query --csv` and `--all`: whole, though the service is killed or connections break."""

import csv
import io
import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.settings import StorageSettings
from testbed.programs import running_program
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.activity_command import COMMAND, ActivityCommand
from tests.support.cutting import cutting
from tests.support.reading import store
from tests.support.statistics import event_at

COUNT, SECONDS = 12_000, 120
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
# More than sockets and pipes keep, with what makes it hard to see where a row ends.
TEXT = '=a "quoted"\r\ntext, with\n""' + "x" * 1000
EVENTS = [
    event_at(BEGIN + timedelta(seconds=number), message=f"{number} {TEXT}", data={"n": number})
    for number in range(COUNT)
]
FORMS: dict[str, tuple[list[str], dict[str, str]]] = {
    "json": (["--json"], {"format": "ndjson"}),
    "csv": (["--csv"], {"format": "csv"}),
    "without id": (["--csv", "--columns", "data.n,message"], {"columns": "data.n,message"}),
    "id behind": (["--csv", "--columns", "message,id"], {"columns": "message,id"}),
}


@pytest.fixture(scope="module")
def stored(servers: TestServers) -> Iterator[StorageSettings]:
    with servers.fresh() as settings:
        store(settings, EVENTS)
        yield settings


@pytest.fixture
def running(stored: StorageSettings) -> Iterator[Service]:
    with service(stored, workers=0, cache_grace_ms=0) as found:
        yield found


def exported(running: Service, **parameters: str) -> bytes:
    """Return what the service exports."""
    answer = running.http.get("/events/export", params={"format": "csv", **parameters})
    assert answer.status_code == 200
    return answer.content


def query(url: str, *options: object) -> list[str]:
    return [*COMMAND, "query", "--url", url, *map(str, options)]


def run(url: str, *options: object) -> tuple[int, bytes, str]:
    """Return the exit status, standard output as it is, and standard error."""
    ended = subprocess.run(
        query(url, *options), env=ActivityCommand().env, capture_output=True, timeout=SECONDS
    )
    return ended.returncode, ended.stdout, ended.stderr.decode()


def start(url: str, *options: object) -> "AbstractContextManager[subprocess.Popen[bytes]]":
    return running_program(
        query(url, *options),
        env=ActivityCommand().env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def rows(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


@pytest.mark.parametrize("form", FORMS)
def test_all_is_what_the_service_exports(running: Service, form: str) -> None:
    options, parameters = FORMS[form]
    status, output, said = run(running.url, "--all", *options)
    assert (status, output, said) == (0, exported(running, **parameters), "")
    assert b'activity_exports_total{end="complete"} 2' in running.http.get("/metrics").content


def test_csv_has_the_same_events_as_the_table(running: Service) -> None:
    status, output, said = run(running.url, "--csv", "--columns", "data.n")
    found = [row[0] for row in rows(output)]
    assert (status, found) == (0, ["data.n", *map(str, range(COUNT - 100, COUNT))])
    assert "older events match too" in said
    assert running.http.get("/metrics").text.count('activity_exports_total{end="complete"} 1') == 0
    _, oldest, _ = run(running.url, "--csv", "--order", "asc", "--limit", 1_500)
    assert exported(running).startswith(oldest)
    assert len(rows(oldest)) == 1_501
    _, newest, _ = run(running.url, "--csv", "--order", "desc", "--limit", 3)
    assert rows(newest)[1:] == rows(exported(running))[:-4:-1]


@pytest.mark.parametrize("options", [[], ["--all"]])
def test_csv_without_events_has_the_names_of_its_columns(
    running: Service, options: list[str]
) -> None:
    ended = run(running.url, "--csv", "--columns", "data.n,message", "--to=2020-01-01", *options)
    assert ended == (0, b"data.n,message\r\n", "activity: no event matches\n")


def test_csv_on_a_terminal_has_no_control_characters(running: Service) -> None:
    instant = BEGIN - timedelta(days=900)
    store(running.settings, [event_at(instant, component="old", message="\x1b[31m\r\u202e\nb")])
    command = ActivityCommand(running.url)
    for options in ([], ["--all"]):
        words = ("query", "--csv", "--columns", "message", "--component", "old", *options)
        written, _ = command.on_terminal(*words, columns=80)
        assert written == 'message\n"\\x1b[31m\\r\\u202e\nb"\n'


def replace(running: Service) -> None:
    """Kill the API process, and start another."""
    running.apis[0].kill()
    running.apis.pop().wait()
    running.start_api()


@pytest.mark.parametrize("form", FORMS)
def test_a_kill_of_the_service_leaves_nothing_out_and_repeats_nothing(
    running: Service, form: str
) -> None:
    options, parameters = FORMS[form]
    filters = ("--component", "c", "--from", "-2000d")
    whole = exported(running, component="c", **parameters)
    with start(running.url, "--all", *options, *filters) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        output = process.stdout.read(1_000_000)  # the rest is more than sockets and pipes take
        for _ in range(2):
            replace(running)
            output += process.stdout.read(4_000_000)
        output += process.stdout.read()
        assert process.wait(SECONDS) == 0
        assert output == whole
        assert b"waiting for the service" in process.stderr.read()


@pytest.mark.parametrize("form", FORMS)
def test_connections_that_break_anywhere_do_not_change_the_output(
    running: Service, form: str
) -> None:
    options, parameters = FORMS[form]
    chosen = random.Random(13)
    sizes = iter([*(chosen.randrange(200, 3_000_000) for _ in range(8)), *[None] * 20])
    whole = exported(running, **parameters)
    # Cut also within the last bytes of the answer: it could pass for whole.
    with cutting(running.listener.getsockname(), lambda: next(sizes)) as relay:
        assert run(relay.url, "--all", *options)[:2] == (0, whole)
        assert relay.cuts > 2


def test_an_answer_without_its_last_chunk_is_not_taken_for_whole(running: Service) -> None:
    options = ("--all", "--csv", "--to", "2026-11-01T00:00:20Z")
    with cutting(running.listener.getsockname(), lambda: None) as relay:
        _, whole, _ = run(relay.url, *options)
        (length,) = relay.sent
    cut = iter([length - len("0\r\n\r\n"), None])
    with cutting(running.listener.getsockname(), lambda: next(cut)) as relay:
        assert run(relay.url, *options)[:2] == (0, whole)
        assert (relay.cuts, len(relay.sent)) == (1, 1)  # it has asked for more, and there is none


def test_a_command_that_gives_up_leaves_the_file_as_it_was(
    running: Service, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    output.write_text("before")
    with cutting(running.listener.getsockname(), lambda: 1000) as relay:  # without a whole event
        options = ("--all", "--csv", "--output", output, "--give-up", "1")
        status, _, said = run(relay.url, *options)
        assert relay.cuts > 0
    assert (status, "gave up after 1 s without an answer" in said) == (1, True)
    assert output.read_text() == "before"
    assert os.listdir(tmp_path) == ["out.csv"]


def test_a_file_is_replaced_once_it_is_whole(running: Service, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    output.write_text("before")
    cut = iter([2_000_000, *[None] * 20])
    with cutting(running.listener.getsockname(), lambda: next(cut)) as relay:
        ended = run(relay.url, "--all", "--csv", "--output", output)
        assert (ended[:2], relay.cuts) == ((0, b""), 1)
    assert output.read_bytes() == exported(running)
    assert output.stat().st_mode & 0o777 == 0o600
    assert run(running.url, "--json", "--output", output, "--limit", 5)[0] == 0
    assert [json.loads(line)["data"]["n"] for line in output.read_text().splitlines()] == list(
        range(COUNT - 5, COUNT)
    )
    assert os.listdir(tmp_path) == ["out.csv"]


def begun(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a part of the output is written beside it."""
    wait_until(
        lambda: any(each.stat().st_size for each in folder.glob("*.writing")), "a part", SECONDS
    )
    assert process.poll() is None


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_an_ended_command_leaves_the_file_as_it_was(
    running: Service, tmp_path: Path, end: signal.Signals
) -> None:
    output = tmp_path / "out.csv"
    output.write_text("before")
    with cutting(running.listener.getsockname(), lambda: 1_000_000, stays_open=True) as relay:
        options = ("--all", "--csv", "--output", output)
        with start(relay.url, *options) as process:
            begun(tmp_path, process)
            process.send_signal(end)
            assert process.wait(SECONDS) == (130 if end == signal.SIGINT else -end)
    assert output.read_text() == "before"
    left = [each for each in os.listdir(tmp_path) if each != "out.csv"]
    assert len(left) == (end == signal.SIGKILL)
    assert run(running.url, *options)[0] == 0
    assert output.read_bytes() == exported(running)


def test_what_is_no_file_is_not_replaced(running: Service, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for place in (tmp_path, tmp_path / "link"):
        status, _, said = run(running.url, "--all", "--csv", "--output", place)
        assert (status, "must be a regular file" in said) == (1, True)
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("options", [["--csv"], ["--json"]])
def test_a_reader_that_goes_away_ends_an_export_silently(
    running: Service, options: list[str]
) -> None:
    with start(running.url, "--all", *options) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1000)
        process.stdout.close()
        assert process.wait(SECONDS) == 1
        assert process.stderr.read() == b""


def test_ctrl_c_ends_an_export_at_once(running: Service) -> None:
    with start(running.url, "--all", "--csv") as process:
        assert process.stdout is not None
        process.stdout.read(1000)  # the rest is more than a pipe takes
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
        assert process.communicate()[1] == b""


def test_a_disk_that_is_full_is_told(running: Service) -> None:
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            query(running.url, "--all", "--csv"),
            env=ActivityCommand().env,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=SECONDS,
        )
    assert ended.returncode == 1
    assert b"No space left on device" in ended.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--csv", "--json"], "exclude each other"),
        (["--csv", "--follow"], "--csv can't be combined with --follow"),
        (["--csv", "--stats"], "--csv can't be combined with --stats"),
        (["--csv", "--columns", "nmae"], "'nmae' is no column"),
        (["--csv", "--all", "--columns", "id,data.a..b"], "an empty key in its path"),
        (["--columns", "data."], "an empty key in its path"),
        (["--output", "file"], "--output needs --since, --csv or --json"),
        (["--csv", "--all", "paid ("], "q, character"),
    ],
)
def test_what_does_not_fit_is_refused(running: Service, options: list[str], said: str) -> None:
    status, output, error = run(running.url, *options)
    assert (status, output.startswith(b'{"error"')) == (2, "--json" in options)
    assert "--json" in options or output == b""
    assert said in error


def test_it_gives_up_at_once_if_nothing_listens() -> None:
    status, output, said = run("http://127.0.0.1:1", "--all", "--csv")
    assert (status, output) == (1, b"")
    assert "Connection refused" in said
