"""The pieces of `activity send` that need no service."""

import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from activity_client.answers import Verdict
from activity_client.errors import GaveUp
from cli.errors import AlreadySending, CannotResume
from cli.send import checkpoint, lock, outcome, resume
from cli.send.checkpoint import Checkpoint, Position
from cli.send.checkpoint_saver import CheckpointSaver
from cli.send.chunks import Chunk, Chunks, Rejected
from cli.send.outcome import Outcome
from cli.send.pipeline import Pipeline
from cli.send.rejects import SHOWN, Rejects, Written, reasons_path
from cli.send.resume import KEYS_KEPT_SECONDS, ResumeRequest
from cli.send.retry_deadline import RetryDeadline
from testbed.waiting import wait_until

LINES = b"".join(b'{"message":"%d"}\n' % number for number in range(20_000))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    path.write_bytes(LINES)
    return path


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.json"


def request_of(file: Path, **changes: object) -> ResumeRequest:
    options = {"url": "http://a", "batch": 10, "rejected": None, "restart": False, "anyway": False}
    return ResumeRequest(file=file, **{**options, **changes})  # type: ignore[arg-type]


def begin(at: Path, file: Path, **changes: object) -> Checkpoint:
    with file.open("rb") as opened:
        return resume.start_or_resume(at, request_of(file, **changes), opened, print).run


def interrupted(at: Path, file: Path, offset: int = 300_000, age: float = 0) -> Checkpoint:
    """Return a run that came so far."""
    begun = begin(at, file)
    with file.open("rb") as opened:
        tail = checkpoint.tail_digest(opened, offset)
    position = Position(offset, 15_000, 14_999, 1, tail, time.time() - age)
    checkpoint.write(at, Checkpoint(begun.plan, position))
    return Checkpoint(begun.plan, position)


def test_a_run_is_on_disk_before_it_sends_anything(at: Path, file: Path) -> None:
    begun = begin(at, file)
    assert checkpoint.read(at) == begun
    assert begun.plan.size == len(LINES)
    assert (begun.position.offset, begun.position.lines) == (0, 0)
    assert [path.name for path in at.parent.iterdir() if path != file] == [at.name]


def test_an_interrupted_run_is_gone_on_with_as_it_was(at: Path, file: Path) -> None:
    before = interrupted(at, file)
    assert begin(at, file) == before
    assert begin(at, file, batch=99) == before  # or batches would end elsewhere
    with file.open("ab") as more:
        more.write(b'{"message":"more"}\n')
    assert begin(at, file) == before


def test_a_new_run_has_keys_of_its_own(at: Path, file: Path) -> None:
    before = interrupted(at, file)
    again = begin(at, file, restart=True)
    assert again.plan.run_id != before.plan.run_id
    assert again.position.offset == 0
    assert checkpoint.read(at) == again


@pytest.mark.parametrize(
    "content",
    [
        b"X" + LINES[1:],
        LINES[: 300_000 - 2] + b"XX" + LINES[300_000:],
        LINES[:-1],
        b"",
    ],
    ids=["its beginning", "before the position", "shorter", "empty"],
)
def test_a_file_that_has_changed_is_not_gone_on_with(at: Path, file: Path, content: bytes) -> None:
    interrupted(at, file)
    file.write_bytes(content)
    with pytest.raises(CannotResume, match=r"has changed .* --restart"):
        begin(at, file)
    assert begin(at, file, restart=True).position.offset == 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"url": "http://b"}, "15,000 lines to http://a, not to http://b: .* --url http://a"),
        (
            {"rejected": Path("/r")},
            "used no --rejected: continue it without that option, or .* --restart",
        ),
    ],
)
def test_another_way_than_the_interrupted_runs_is_refused(
    at: Path, file: Path, changes: dict[str, object], text: str
) -> None:
    interrupted(at, file)
    with pytest.raises(CannotResume, match=text):
        begin(at, file, **changes)


def test_a_checkpoint_of_another_file_is_refused(at: Path, file: Path) -> None:
    interrupted(at, file)
    other = file.with_name("other")
    other.write_bytes(LINES)
    with pytest.raises(CannotResume, match=f"interrupted run of {file}"):
        begin(at, other)


def test_a_run_that_the_service_may_have_forgotten_is_a_decision(at: Path, file: Path) -> None:
    before = interrupted(at, file, age=KEYS_KEPT_SECONDS + 60)
    with pytest.raises(CannotResume, match=r"23 h 1 min old.*--continue-anyway.*--restart"):
        begin(at, file)
    assert begin(at, file, anyway=True) == before


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2, "plan": {}}', "{"])
def test_a_file_that_is_no_checkpoint_is_not_overwritten(at: Path, file: Path, text: str) -> None:
    at.write_text(text)
    with pytest.raises(CannotResume, match="is not a checkpoint"):
        begin(at, file)
    assert at.read_text() == text


def test_a_checkpoint_of_another_version_is_recognised(at: Path, file: Path) -> None:
    at.write_text(json.dumps({"format": 0}))
    with pytest.raises(CannotResume, match="another version"):
        begin(at, file)


def test_a_lock_has_one_holder_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock.held(path), pytest.raises(AlreadySending), lock.held(path):
        pass
    assert list(tmp_path.iterdir()) == []
    with lock.held(path):
        pass


def rejected(line: int) -> Rejected:
    return Rejected(line, {"detail": f"no {line}"}, b'{"\xff": %d}' % line)


def test_rejected_lines_are_shown_up_to_a_bound_and_all_written_as_they_stood(
    tmp_path: Path,
) -> None:
    path, said = tmp_path / "rejected.ndjson", list[str]()
    with Rejects(path, Written(), said.append) as rejects:
        rejects.add([rejected(line) for line in range(1, 101)])
    assert path.read_bytes().splitlines() == [rejected(line).original for line in range(1, 101)]
    rows = [json.loads(row) for row in reasons_path(path).read_text().splitlines()]
    assert [row["line"] for row in rows] == list(range(1, 101))
    assert rows[6] == {"line": 7, "error": {"detail": "no 7"}}
    assert len(said) == SHOWN + 1
    assert said[0] == "line 1: no 1"


def test_rejected_lines_behind_the_checkpoint_are_written_down_once(tmp_path: Path) -> None:
    path = tmp_path / "rejected.ndjson"
    with Rejects(path, Written(), lambda text: None) as rejects:
        rejects.add([rejected(1)])
        kept = rejects.sync()
        rejects.add([rejected(2)])
    with Rejects(path, kept, lambda text: None) as rejects:
        rejects.add([rejected(2), rejected(3)])
    assert path.read_bytes().splitlines() == [rejected(line).original for line in (1, 2, 3)]
    rows = reasons_path(path).read_text().splitlines()
    assert [json.loads(row)["line"] for row in rows] == [1, 2, 3]
    with Rejects(path, Written(10**6, 10**6), lambda text: None):  # somebody has shortened it
        pass
    assert b"\0" not in path.read_bytes()


def outcome_of(chunk: Chunk) -> Outcome:
    return Outcome(chunk.end, chunk.last, len(chunk.events), chunk.bad)


def pieces(count: int) -> Iterator[Chunk]:
    return iter(Chunks(io.BytesIO(b"x\n" * count), 1))


def test_outcomes_come_in_order_whatever_is_answered_first() -> None:
    last_is_there = threading.Event()

    def deliver(chunk: Chunk) -> Outcome:
        if chunk.first == 1:
            last_is_there.wait(20)
        if chunk.first == 4:
            last_is_there.set()
        return outcome_of(chunk)

    pipeline = Pipeline(pieces(50), deliver, 2)
    outcomes = [outcome for outcome in pipeline.outcomes() if outcome]
    assert [outcome.last_line for outcome in outcomes] == list(range(1, 51))
    assert pipeline.is_complete


def test_no_more_than_a_window_is_taken_ahead_of_what_is_under_way() -> None:
    go_on = threading.Event()
    taken: list[int] = []

    def deliver(chunk: Chunk) -> Outcome:
        taken.append(chunk.first)
        if chunk.first == 1:
            go_on.wait(20)
        return outcome_of(chunk)

    pipeline = Pipeline(pieces(100), deliver, 3)
    outcomes = pipeline.outcomes()
    assert next(outcomes) is None
    wait_until(lambda: len(taken) == 6, "the window to be full")
    assert next(outcomes) is None
    assert len(taken) == 6
    go_on.set()
    assert sum(outcome is not None for outcome in outcomes) == 100


def test_what_fails_ends_the_pipeline_and_is_told() -> None:
    def deliver(chunk: Chunk) -> Outcome:
        if chunk.first == 5:
            raise GaveUp("enough")
        return outcome_of(chunk)

    pipeline = Pipeline(pieces(1_000), deliver, 2)
    assert sum(outcome is not None for outcome in pipeline.outcomes()) < 1_000
    assert not pipeline.is_complete
    with pytest.raises(GaveUp, match="enough"):
        pipeline.raise_failure()


def test_a_stopped_pipeline_gives_what_was_under_way_and_is_not_complete() -> None:
    pipeline = Pipeline(pieces(1_000), outcome_of, 2)
    outcomes = pipeline.outcomes()
    assert next(outcomes)
    pipeline.stop()
    given = [outcome.last_line for outcome in outcomes if outcome]
    assert given == list(range(2, 2 + len(given)))
    assert len(given) < 999
    assert not pipeline.is_complete


def test_what_is_read_after_the_stop_is_not_sent() -> None:
    """A line that comes over standard input after it was said how many lines are done."""
    sent: list[int] = []

    def slowly() -> Iterator[Chunk]:
        one, other = pieces(2)
        yield one
        pipeline.stop()
        yield other

    def deliver(chunk: Chunk) -> Outcome:
        sent.append(chunk.first)
        return outcome_of(chunk)

    pipeline = Pipeline(slowly(), deliver, 1)
    assert [outcome.last_line for outcome in pipeline.outcomes() if outcome] == [1]
    assert sent == [1]
    assert not pipeline.is_complete


def test_a_retry_deadline_ends_when_it_is_told_to() -> None:
    deadline = RetryDeadline(None)
    deadline.pause(0, "away")
    assert deadline.last_error == "away"
    deadline.answered()
    assert deadline.last_error is None
    deadline.stop()
    with pytest.raises(GaveUp):
        deadline.pause(600, "away")


def test_a_retry_deadline_gives_up_after_its_time_without_an_answer() -> None:
    with pytest.raises(GaveUp, match=r"no event was accepted or rejected for 0\.05 s: away"):
        RetryDeadline(0.05).pause(600, "away")


def test_a_line_that_is_no_json_is_told_with_its_column() -> None:
    said: list[str] = []
    detail = "The body is not JSON: Expecting ',' delimiter at line 1, column 62."
    Rejects(None, None, said.append).add([Rejected(2, {"detail": detail}, b"")])
    assert said == ["line 2, column 62: not JSON: expected ',' delimiter"]


def test_the_ends_of_both_parts_of_a_chunk_are_on_disk_before_a_part_is_sent() -> None:
    """With one of them only, the next run would cut a chunk across the end of this one."""
    chunk = next(iter(Chunks(io.BytesIO(LINES), 16)))
    steps: list[object] = []

    def post(sent: Chunk) -> list[Verdict] | None:
        steps.append((sent.first, sent.last))
        return None if len(sent.events) > 8 else [Verdict()] * len(sent.events)

    outcome.deliver(chunk, post, steps.append, lambda _: None)
    assert steps == [(1, 16), (8, 16), (1, 8), (9, 16)]


def test_the_ends_of_parts_are_written_at_once(
    at: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[int, ...]] = []
    monkeypatch.setattr(checkpoint, "write", lambda _, run: written.append(run.part_ends))
    with file.open("rb") as opened:
        saver = CheckpointSaver(at, begin(at, file), opened)
        written.clear()
        saver.cut((8, 16))
        saver.cut((4, 8))
    assert written == [(8, 16), (4, 8, 16)]
