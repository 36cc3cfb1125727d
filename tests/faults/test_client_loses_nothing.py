"""Kill the service, the client or `activity send` while they send: no event is lost or doubled."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa

from activity_client import ActivityClient, BufferFull, Limits
from storage.redis.client import connect
from storage.settings import StorageSettings
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.front import lose_behind, pass_on
from tests.support.queued import backlog, state, stored_messages
from tests.support.send_command import SendCommand, ndjson
from tests.support.stub_service import stub_service


@pytest.fixture
def queue(settings: StorageSettings) -> Iterator[redis.Redis]:
    with connect(settings.queue_url) as client:
        yield client


@pytest.fixture
def engine(settings: StorageSettings) -> Iterator[sa.Engine]:
    found = sa.create_engine(settings.database_url)
    yield found
    found.dispose()


@pytest.fixture
def running(settings: StorageSettings) -> Iterator[Service]:
    with service(settings) as started:
        yield started


def kill_api(running: Service) -> None:
    api = running.apis.pop()
    api.kill()
    api.wait(10)


def accepted(queue: redis.Redis, settings: StorageSettings) -> int:
    return sum(int(state(queue, shard).get("accepted", 0)) for shard in range(settings.shards))


def assert_each_once(
    messages: list[str], queue: redis.Redis, engine: sa.Engine, settings: StorageSettings
) -> None:
    """Assert that exactly these events are in the table once the queue is empty."""
    shards = range(settings.shards)
    wait_until(lambda: not any(backlog(queue, shard) for shard in shards), "the queue to be empty")
    wanted, found = Counter(messages), stored_messages(engine)
    assert found == wanted, f"missing {len(wanted - found)}, too many {(found - wanted).total()}"


def test_a_batch_behind_a_lost_answer_of_a_killed_api_is_stored_once(
    running: Service, settings: StorageSettings, queue: redis.Redis, engine: sa.Engine
) -> None:
    messages = [f"m{number}" for number in range(600)]
    with stub_service() as front:
        front.otherwise = pass_on(running)
        front.script.append(lose_behind(running, lambda: kill_api(running)))
        with ActivityClient(front.url, component="c", environment="e") as client:
            for message in messages[:300]:
                client.send(message=message)
            wait_until(lambda: client.stats.retries > 0, "the answer to be missed")
            for message in messages[300:]:
                client.send(message=message)
            assert client.stats.accepted == 0
            running.start_api()
            assert client.flush(60)
            assert client.stats.accepted == 600
    assert_each_once(messages, queue, engine, settings)


def test_the_events_of_a_full_buffer_are_stored_once_when_the_service_is_back(
    running: Service, settings: StorageSettings, queue: redis.Redis, engine: sa.Engine
) -> None:
    taken: list[str] = []
    with stub_service() as front:
        front.otherwise = pass_on(running)
        front.stop()
        limits = Limits(buffer_events=200, exit_seconds=60)
        with ActivityClient(front.url, component="c", environment="e", limits=limits) as client:
            for number in range(200):
                client.send(message=f"m{number}")
                taken.append(f"m{number}")
            wait_until(lambda: client.stats.retries > 0, "a retry")
            with pytest.raises(BufferFull, match=r"200 events .* Connection refused"):
                client.send(message="one too many")
            front.start()
            wait_until(lambda: client.stats.pending < 200, "room")
            client.send(message="after it")
    assert client.stats.pending == 0
    assert_each_once([*taken, "after it"], queue, engine, settings)


def test_a_client_loses_and_doubles_nothing_while_the_api_is_killed_repeatedly(
    running: Service, settings: StorageSettings, queue: redis.Redis, engine: sa.Engine
) -> None:
    messages: list[str] = []
    limits = Limits(batch_events=20, buffer_events=10**6)
    with ActivityClient(running.url, component="c", environment="e", limits=limits) as client:
        for _ in range(4):
            before = client.stats.accepted
            for _ in range(2_000):
                messages.append(f"m{len(messages)}")
                client.send(message=messages[-1])
            wait_until(lambda before=before: client.stats.accepted > before + 200, "some of them")  # type: ignore[misc]
            kill_api(running)
            running.start_api()
        assert client.flush(60)
    assert_each_once(messages, queue, engine, settings)


def mend(file: Path, wrong: str, right: str) -> None:
    """Replace text in the whole file."""
    file.write_text(file.read_text().replace(wrong, right))


@pytest.mark.parametrize("connections", [1, 4])
def test_send_that_is_killed_and_started_again_stores_each_line_once(
    running: Service,
    settings: StorageSettings,
    queue: redis.Redis,
    engine: sa.Engine,
    tmp_path: Path,
    connections: int,
) -> None:
    file = ndjson(tmp_path / "events", 20_000)
    with file.open("a") as more:
        more.write('{"component":"c"}\n')
    send = SendCommand(running.url, tmp_path / "state")
    for aim in (2_000, 6_000, 12_000):
        process = send.start(file, "--batch", 25, "--connections", connections)
        wait_until(lambda aim=aim: accepted(queue, settings) >= aim, f"{aim} to be accepted")  # type: ignore[misc]
        process.kill()
        process.communicate()
        assert accepted(queue, settings) < 20_000
    summary = send.summary(file, "--connections", connections)
    assert (summary["accepted"], summary["rejected"], summary["status"]) == (20_000, 1, 1)
    assert summary["lines"] == 20_001
    assert_each_once([f"m{number}" for number in range(20_000)], queue, engine, settings)
    mend(file, '"component":"c"', '"component":"c","environment":"e","message":"mended"')
    assert send.summary(file)["status"] == 0
    assert_each_once(
        [*(f"m{number}" for number in range(20_000)), "mended"], queue, engine, settings
    )
    assert send.summary(file)["run_accepted"] == 0  # nothing is left to send


def test_only_corrected_lines_are_sent_by_the_same_command_whatever_is_killed(
    running: Service,
    settings: StorageSettings,
    queue: redis.Redis,
    engine: sa.Engine,
    tmp_path: Path,
) -> None:
    file = ndjson(tmp_path / "events", 5_000)
    bad = [1, 2, 700, 1_000, 2_500, 2_501, 4_999, 5_000]
    for line in bad:
        mend(file, f'"message": "m{line - 1}"}}', f'"mesage": "m{line - 1}"}}')
    send = SendCommand(running.url, tmp_path / "state")
    first = send.summary(file)
    assert (first["accepted"], first["rejected"], first["status"]) == (4_992, 8, 1)
    assert "run the same command again" in first["next_step"]
    for line in bad[:-1]:
        mend(file, f'"mesage": "m{line - 1}"', f'"message": "m{line - 1}"')
    process = send.start(file, "--batch", 1)
    wait_until(lambda: accepted(queue, settings) > 4_992, "a mended line to be accepted")
    process.kill()
    process.communicate()
    second = send.summary(file)
    assert (second["accepted"], second["rejected"], second["status"]) == (4_999, 1, 1)
    mend(file, "mesage", "message")
    third = send.summary(file)
    assert (third["accepted"], third["run_accepted"], third["status"]) == (5_000, 1, 0)
    assert_each_once([f"m{number}" for number in range(5_000)], queue, engine, settings)
    assert send.summary(file)["run_accepted"] == 0  # nothing is left to send


def test_the_file_of_rejected_lines_is_mended_and_sent(
    running: Service,
    settings: StorageSettings,
    queue: redis.Redis,
    engine: sa.Engine,
    tmp_path: Path,
) -> None:
    file, rejected = ndjson(tmp_path / "events", 1_000), tmp_path / "rejected"
    for line in (1, 500, 1_000):
        mend(file, f'"message": "m{line - 1}"}}', f'"mesage": "m{line - 1}"}}')
    send = SendCommand(running.url, tmp_path / "state")
    assert send.summary(file, "--rejected", rejected)["rejected"] == 3
    mend(rejected, "mesage", "message")
    assert "run the command for that file first" in send.run(file, "--rejected", rejected).stderr
    assert send.summary(rejected)["accepted"] == 3
    assert_each_once([f"m{number}" for number in range(1_000)], queue, engine, settings)


def test_send_waits_for_an_api_that_is_killed_and_started_again(
    running: Service,
    settings: StorageSettings,
    queue: redis.Redis,
    engine: sa.Engine,
    tmp_path: Path,
) -> None:
    file = ndjson(tmp_path / "events", 10_000)
    send = SendCommand(running.url, tmp_path / "state")
    process: subprocess.Popen[str] = send.start(file, "--batch", 20)
    for aim in (1_000, 3_000, 5_000):
        wait_until(lambda aim=aim: accepted(queue, settings) >= aim, f"{aim} to be accepted")  # type: ignore[misc]
        kill_api(running)
        running.start_api()
    out, err = process.communicate(timeout=100)
    assert (process.returncode, out[:15]) == (0, "10,000 accepted"), err
    assert_each_once([f"m{number}" for number in range(10_000)], queue, engine, settings)
