"""`activity import`: files of every form, each event once, whatever kills it."""

import gzip
import json
import subprocess
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from cli.send import lock
from cli.send.unpacking import zstd
from testbed.service import Service
from testbed.waiting import wait_until
from tests.support import import_files
from tests.support.import_files import PAST, as_csv, at, ndjson, rows, stored
from tests.support.send_command import ImportCommand, SendCommand

importing = import_files.importing


def test_an_import_that_is_killed_twice_stores_each_event_once_at_its_own_time(
    running: Service, importing: ImportCommand, tmp_path: Path
) -> None:
    made = rows("killed", 4_000)
    file = tmp_path / "history.ndjson.gz"
    file.write_bytes(gzip.compress(ndjson(made)))
    window = {"component": "killed", "from_date": "2018-06-01", "to_date": "2018-07-01"}
    hours = {
        "interval": "hour",
        "component": "killed",
        "from_date": "2018-06-01",
        "to_date": "2018-06-02",
    }

    def page() -> Any:
        return running.http.get("/events", params={**window, "order": "asc"}).json()["events"]

    def bars() -> dict[str, int]:
        answer = running.http.get("/events/stats", params=hours).json()
        return {bar["at"]: bar["count"] for bar in answer["bars"] if bar["count"]}

    def first_messages(count: int) -> bool:
        return len(page()) >= count

    assert (page(), bars()) == ([], {})
    assert (page(), bars()) == ([], {})
    options = (file, "--batch", "50", "--connections", "2")
    for seen in (1, 90):
        process = importing.start(*options)
        wait_until(partial(first_messages, seen), "the import to have begun", 120)
        process.kill()
        process.communicate()
    ended = importing.summary(*options)
    assert (ended["status"], ended["complete"], ended["accepted"]) == (0, True, 4_000)
    found = stored(running, "killed", 4_000)
    assert [(one["created_at"], one["message"]) for one in found] == [
        (one["created_at"], one["message"]) for one in made
    ]
    wanted = Counter(row["created_at"][:13] for row in made if row["created_at"] < "2018-06-03")
    assert {hour[:13]: count for hour, count in bars().items()} == wanted
    assert len(page()) == 100
    again = importing.summary(*options, "--restart")
    assert (again["status"], again["run_duplicates"], again["run_accepted"]) == (0, 4_000, 4_000)
    assert len(stored(running, "killed", 4_000)) == 4_000
    assert importing.summary(*options)["run_accepted"] == 0  # nothing is left to send


def test_another_address_is_told_and_not_taken_for_another_file(
    running: Service, importing: ImportCommand, tmp_path: Path
) -> None:
    file = tmp_path / "history.ndjson"
    file.write_bytes(ndjson(rows("again", 3)))
    assert importing.run(file).returncode == 0
    other = running.url.replace("127.0.0.1", "localhost")
    again = importing.run(file, "--url", other)
    assert f"was imported into {running.url} before, and not into {other}" in again.stderr
    assert again.returncode == 0
    assert len(stored(running, "again", 3)) == 3


def test_every_form_of_a_file_makes_the_same_events(
    running: Service, importing: ImportCommand, tmp_path: Path
) -> None:
    made = rows("forms", 30)
    (tmp_path / "a").mkdir()
    files = {
        "a/one.ndjson": ndjson(made[:10]),
        "a/two.csv": as_csv(made[5:15]),
        "a/three.csv.gz": gzip.compress(as_csv(made[10:20])),
        "a/four.ndjson.zst": zstd.compress(ndjson(made[20:25])),
        "a/five.csv.zst": zstd.compress(as_csv(made[20:30])),
    }
    for name, body in files.items():
        (tmp_path / name).write_bytes(body)
    ended = importing.summary(tmp_path / "a" / "*")
    assert (ended["status"], ended["complete"], len(ended["files"])) == (0, True, 5)
    assert (ended["accepted"], ended["rejected"]) == (45, 0)
    assert [one["message"] for one in stored(running, "forms", 30)] == [f"m{n}" for n in range(30)]
    text = importing.run(tmp_path / "a" / "one.ndjson", tmp_path / "a" / "two.csv")
    assert text.stdout.count("nothing to do: every line was already imported") == 2
    assert "sen" not in text.stdout.replace(str(tmp_path), "")


def test_standard_input_takes_csv_and_packed_bytes(
    running: Service, importing: ImportCommand
) -> None:
    made = rows("piped", 20)
    packed = gzip.compress(as_csv(made))
    ran = subprocess.run(
        [*importing.command, "-", "--format", "csv", "--json"],
        input=packed,
        env=importing._env,
        capture_output=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["accepted"] == 20
    assert len(stored(running, "piped", 20)) == 20


def test_fields_are_mapped_and_times_converted(
    running: Service, importing: ImportCommand, tmp_path: Path
) -> None:
    seconds = PAST.timestamp()
    file = tmp_path / "mapped.ndjson"
    row = {
        "ts": seconds,
        "no": 12,
        "svc": "mapped",
        "env": "live",
        "text": "hello",
        "user": {"mail": "jo@example.com", "age": 5},
        "junk": 1,
    }
    plain = json.dumps(row).replace('"age": 5', '"age": 5.50')
    file.write_text(f"{plain}\nnot json\n")
    maps = (
        "ts=created_at",
        "no=import_id",
        "svc=component",
        "env=environment",
        "text=message",
        "user.mail=email",
        "user.age=data.user.age",
        "user=",
        "junk=",
    )
    options = [word for one in maps for word in ("--map", one)]
    ran = importing.run(file, *options, "--created-at", "unix", "--rejected", tmp_path / "bad")
    assert ran.returncode == 1
    assert "line 2, column 1: not JSON" in ran.stderr
    assert f"activity import {tmp_path / 'bad'}" in ran.stdout
    assert "it imports only lines that were not accepted" in ran.stdout
    [event] = stored(running, "mapped", 1)
    assert (event["created_at"], event["email"]) == (at(PAST), "jo@example.com")
    raw = running.http.get(f"/events/{event['id']}").text
    assert '"data":{"user":{"age":5.50}}' in raw.replace(" ", "")


def test_lines_that_are_wrong_are_corrected_and_imported_again(
    running: Service, importing: ImportCommand, tmp_path: Path
) -> None:
    made = rows("mended", 10)
    made[4]["environment"] = ""
    file, bad = tmp_path / "mended.csv", tmp_path / "bad.ndjson"
    file.write_bytes(as_csv(made))
    ended = importing.summary(file, "--rejected", bad)
    assert (ended["status"], ended["accepted"], ended["rejected"]) == (1, 9, 1)
    reason = json.loads(Path(f"{bad}.reasons").read_text())
    assert (reason["line"], reason["error"]["errors"][0]["pointer"]) == (5, "/environment")
    row = json.loads(bad.read_text())
    bad.write_text(json.dumps({**row, "environment": "live"}) + "\n")
    assert importing.summary(bad)["accepted"] == 1
    assert len(stored(running, "mended", 10)) == 10
    made[4]["environment"] = "live"
    file.write_bytes(as_csv(made))
    ended = importing.summary(file, "--rejected", tmp_path / "other")
    assert (ended["status"], ended["run_duplicates"]) == (0, 10)


def test_a_damaged_file_is_told_and_what_is_before_the_damage_is_imported(
    running: Service, importing: ImportCommand, tmp_path: Path
) -> None:
    made = rows("damaged", 2_000)
    packed = gzip.compress(ndjson(made), 0)
    file = tmp_path / "damaged.ndjson.gz"
    file.write_bytes(packed[: len(packed) // 2])
    ran = importing.run(file, "--batch", "100")
    assert ran.returncode == 1
    assert "is damaged or cut off" in ran.stderr
    count = int(ran.stdout.split(" accepted, 0 rejected")[0].replace(",", ""))
    assert 0 < count == len(stored(running, "damaged", count))
    assert f"stopped after line {count:,}; run the same command again to continue" in ran.stderr
    file.write_bytes(packed)
    ended = importing.summary(file, "--batch", "100")
    assert (ended["status"], ended["complete"]) == (0, True)
    assert len(stored(running, "damaged", 2_000)) == 2_000


def test_another_mapping_does_not_import_a_file_again_unasked(
    running: Service, importing: ImportCommand, tmp_path: Path
) -> None:
    file = tmp_path / "mapped.csv"
    file.write_bytes(
        as_csv([{k: v for k, v in row.items() if k != "import_id"} for row in rows("read", 3)])
    )
    assert importing.summary(file)["accepted"] == 3
    ran = importing.run(file, "--map", "environment=data.place", "--map", "component=environment")
    assert (ran.returncode, "Run the command with `--format csv`" in ran.stderr) == (1, True)
    assert "nothing to do" in importing.run(file).stdout
    assert len(stored(running, "read", 3)) == 3


def test_wrong_options_are_told(importing: ImportCommand, tmp_path: Path) -> None:
    file = tmp_path / "x.ndjson"
    file.write_text("")
    for options, words in (
        (("--map", "x"), "SOURCE=TARGET"),
        (("--map", "x=email.y"), "only data can have fields"),
        (("--map", "x=email", "--map", "y=email"), "more than once"),
        ((file,), "more than once"),
        (("-",), "can't be one of several"),
    ):
        ran = importing.run(file, *options)
        assert (ran.returncode, words in ran.stderr) == (2, True), ran.stderr
    ran = importing.run(tmp_path / "*.nothing")
    assert (ran.returncode, "there is no file" in ran.stderr) == (1, True)


def test_send_takes_many_files_patterns_and_csv(running: Service, tmp_path: Path) -> None:
    send = SendCommand(running.url, tmp_path / "state")
    made = [
        {k: v for k, v in row.items() if k in ("component", "environment", "message")}
        for row in rows("sent", 12)
    ]
    (tmp_path / "1.csv").write_bytes(as_csv(made[:6]))
    (tmp_path / "2.ndjson").write_bytes(ndjson(made[6:]))
    ended = send.summary(tmp_path / "1.csv", tmp_path / "[2-9].*")
    assert (ended["status"], ended["accepted"]) == (0, 12)
    assert send.summary(tmp_path / "1.csv", tmp_path / "2.ndjson")["accepted"] == 12
    assert len(stored(running, "sent", 12)) == 12
    packed = tmp_path / "3.ndjson"
    packed.write_bytes(zstd.compress(ndjson(made)))
    ran = send.run(packed)
    assert (ran.returncode, "this is zstd" in ran.stderr) == (1, True)


def test_numbers_of_csv_are_found_as_numbers(
    running: Service, importing: ImportCommand, tmp_path: Path
) -> None:
    made = [
        {**row, "amount": amount}
        for row, amount in zip(rows("typed", 3), ("26.46", "70.10", "many"), strict=True)
    ]
    file = tmp_path / "typed.csv"
    file.write_bytes(as_csv(made))
    ran = importing.run(file, "--map", "amount=data.amount:number")
    assert (ran.returncode, 'record 3: amount: "many" is not a number' in ran.stderr) == (
        1,
        True,
    ), ran.stderr
    stored(running, "typed", 2)
    query = {"q": "component:typed data.amount>50", "limit": "1000"}
    [found] = running.http.get("/events", params=query).json()["events"]
    assert found["message"] == "m1"


def test_what_psql_copies_is_imported_and_other_times_name_the_option(
    running: Service, importing: ImportCommand, tmp_path: Path
) -> None:
    file = tmp_path / "copied.csv"
    head = "created_at,component,environment,message\n"
    times = ("2018-06-01 00:01:58.982+00", "2018-06-01 00:01:59", "1527811200", "1527811200000")
    file.write_text(head + "".join(f"{time},copied,live,m\n" for time in times))
    ran = importing.run(file)
    assert ran.returncode == 1
    [event] = stored(running, "copied", 1)
    assert event["created_at"] == "2018-06-01T00:01:58.982Z"
    assert "--created-at utc reads a time without an offset" in ran.stderr
    assert ran.stderr.count("--created-at unix reads a number of seconds") == 2
    file.write_text(f"{head}{times[1]},copied,live,m\n")
    assert importing.run(file, "--created-at", "utc", "--restart").returncode == 0
    assert stored(running, "copied", 2)[1]["created_at"] == "2018-06-01T00:01:59.000Z"
    lines = tmp_path / "copied.ndjson"
    lines.write_bytes(ndjson([{**rows("copied", 1)[0], "created_at": "2018-06-01 00:02:00.5+00"}]))
    refused = importing.run(lines)
    assert "--created-at utc also reads times as PostgreSQL writes them" in refused.stderr
    assert importing.run(lines, "--created-at", "utc").returncode == 0
    assert stored(running, "copied", 3)[2]["created_at"] == "2018-06-01T00:02:00.500Z"


def test_an_import_that_can_not_begin_does_not_speak_of_sending(
    importing: ImportCommand, tmp_path: Path
) -> None:
    file, rejected, checkpoint = (tmp_path / name for name in ("new", "rejected", "checkpoint"))
    file.write_bytes(ndjson(rows("unsaid", 1)))
    rejected.write_text("a corrected line\n")
    first = importing.run(file, "--rejected", rejected)
    with lock.held(lock.path_of(checkpoint)):
        second = importing.run(file, "--checkpoint", checkpoint)
    checkpoint.write_text("no checkpoint")
    third = importing.run(file, "--checkpoint", checkpoint)
    said = [ran.stderr.replace(str(tmp_path), "") for ran in (first, second, third)]
    assert "run the command for that file first" in said[0]
    assert "another run works on this file" in said[1]
    assert "is not a checkpoint" in said[2]
    assert not [text for text in said if "sen" in text], said


def test_a_header_that_makes_no_events_is_refused_before_anything_is_sent(
    running: Service, importing: ImportCommand, tmp_path: Path
) -> None:
    file = tmp_path / "semicolons.csv"
    made = as_csv([{"ts": row["created_at"], **row} for row in rows("header", 3)])
    file.write_bytes(made.replace(b",", b";"))
    ran = importing.run(file)
    assert (ran.returncode, "--delimiter ';'" in ran.stderr) == (1, True), ran.stderr
    for options in ((), ("--map", "no=email"), ("--map", "ts=data.ts", "--map", "no=")):
        ran = importing.run(file, "--delimiter", ";", *options)
        assert (ran.returncode, "--map NAME=FIELD" in ran.stderr) == (1, True), ran.stderr
    assert importing.checkpoints() == [] or not stored(running, "header", 0)
    assert importing.run(file, "--delimiter", ";", "--map", "ts=").returncode == 0
    assert len(stored(running, "header", 3)) == 3
