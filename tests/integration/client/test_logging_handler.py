"""An application's log records as events."""

import logging
import logging.handlers
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from activity_client import ActivityClient, ActivityHandler, BadEvent, Limits
from testbed.waiting import wait_until
from tests.support.stub_service import StubService, refuse

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """One of its own, that passes nothing on."""
    made = logging.Logger("app.web", logging.DEBUG)
    yield made
    for handler in list(made.handlers):
        handler.close()


@contextmanager
def at_the_root(handler: logging.Handler) -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def test_a_record_becomes_an_event(stub: StubService, logger: logging.Logger) -> None:
    handler = ActivityHandler(stub.url, environment="production")
    logger.addHandler(handler)
    try:
        dict[str, int]()["missing"]
    except KeyError:
        logger.exception("order %d failed", 7, extra={"order": 7})
    handler.flush()
    [event] = stub.stored
    assert event["component"] == "app.web"
    assert event["environment"] == "production"
    assert event["message"] == "order 7 failed"
    assert event["data"]["level"] == "ERROR"
    assert event["data"]["extra"] == {"order": 7}
    assert event["data"]["exception"].endswith("KeyError: 'missing'")
    assert event["data"]["function"] == "test_a_record_becomes_an_event"


def test_the_formatter_and_the_component_that_are_given_are_used(
    stub: StubService, logger: logging.Logger
) -> None:
    handler = ActivityHandler(stub.url, environment="e", component="shop", level="WARNING")
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logger.addHandler(handler)
    logger.info("not this")
    logger.warning("this")
    handler.flush()
    assert [(event["component"], event["message"]) for event in stub.stored] == [
        ("shop", "WARNING: this")
    ]


def test_a_client_that_is_given_stays_open_and_lends_its_names(
    stub: StubService, logger: logging.Logger
) -> None:
    with ActivityClient(stub.url, component="c", environment="e") as client:
        handler = ActivityHandler(client)
        logger.addHandler(handler)
        logger.info("m")
        handler.close()
        client.send(message="still open")
        assert client.flush(20)
    assert [event["component"] for event in stub.stored] == ["c", "c"]
    assert stub.messages == ["m", "still open"]


def test_an_environment_is_needed() -> None:
    with pytest.raises(BadEvent, match="environment is required"):
        ActivityHandler("http://127.0.0.1:1")


def test_a_full_buffer_never_raises_but_is_counted_and_told_once(
    stub: StubService, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.stop()
    limits = Limits(buffer_events=5, exit_seconds=20)
    with closing(ActivityClient(stub.url, environment="e", limits=limits)) as client:
        handler = ActivityHandler(client)
        logger.addHandler(handler)
        for number in range(20):
            logger.info("m%d", number)
        assert handler.dropped == 15
        [said] = capsys.readouterr().err.splitlines()
        assert said.startswith("activity client: log records are dropped (1 so far): the buffer")
        assert "Limits(buffer_events=...)" in said
        stub.start()
        assert client.flush(20)
    assert stub.messages == [f"m{number}" for number in range(5)]


def test_a_full_buffer_is_not_told_where_logging_is_to_be_silent(
    stub: StubService,
    logger: logging.Logger,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    stub.stop()
    with closing(
        ActivityClient(stub.url, environment="e", limits=Limits(buffer_events=1))
    ) as client:
        handler = ActivityHandler(client)
        logger.addHandler(handler)
        logger.info("one")
        logger.info("too many")
        assert handler.dropped == 1
        assert capsys.readouterr().err == ""
        stub.start()
        assert client.flush(20)


def test_a_record_that_can_not_be_formatted_is_told_and_sent_all_the_same(
    stub: StubService, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = ActivityHandler(stub.url, environment="e")
    logger.addHandler(handler)
    logger.info("%d", "no number")
    assert "Logging error" in capsys.readouterr().err
    handler.flush()
    assert handler.dropped == 0
    assert stub.messages == ["%d ('no number',)"]


PROGRAM_IN_AN_ODD_FOLDER = """
import logging
from activity_client import ActivityHandler
logging.raiseExceptions = False
handler = ActivityHandler({url!r}, environment="e")
logging.getLogger().addHandler(handler)
logging.getLogger("a\\0b\\ud800").warning("from afar")
"""


def test_a_script_in_a_folder_whose_name_is_not_utf_8_is_heard(
    stub: StubService, tmp_path: Path
) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff\xfe"
    os.mkdir(folder)
    script = folder + b"/program.py"
    with open(script, "w") as file:
        file.write(PROGRAM_IN_AN_ODD_FOLDER.format(url=stub.url))
    subprocess.run(
        [sys.executable.encode(), script],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        timeout=60,
        check=True,
    )
    [event] = stub.stored
    assert event["message"] == "from afar"
    assert event["data"]["file"].endswith("/??/program.py")


def plain(handler: ActivityHandler) -> AbstractContextManager[None]:
    return at_the_root(handler)


@contextmanager
def through_a_queue(handler: ActivityHandler) -> Iterator[None]:
    """Handle the record in another thread than the one that made it."""
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = logging.handlers.QueueListener(records, handler)
    listener.start()
    with at_the_root(logging.handlers.QueueHandler(records)):
        yield
    listener.stop()


@pytest.mark.parametrize("way", [plain, through_a_queue])
def test_what_sending_logs_itself_is_never_sent(
    stub: StubService, way: Callable[[ActivityHandler], AbstractContextManager[None]]
) -> None:
    """urllib3 tells of each connection and request at DEBUG, and a rejected event is a warning."""
    stub.script += [refuse(503)]
    handler = ActivityHandler(stub.url, environment="e")
    with way(handler):
        logging.getLogger("app").info("m")
        logging.getLogger("app").info("bad")
        wait_until(lambda: handler.client.stats.accepted == 1, "the event")
        assert handler.client.flush(20)
        logging.getLogger("urllib3.connectionpool").debug("of the application's own requests")
    handler.close()
    assert stub.messages == ["m", "of the application's own requests"]


def test_what_another_client_has_to_say_is_not_sent_either(stub: StubService) -> None:
    """Two that told of each other's errors would never come to an end."""
    handler = ActivityHandler(stub.url, environment="e")
    other = ActivityClient("http://127.0.0.1:9", component="c", environment="e")
    other.send(message="m")
    with at_the_root(handler):
        assert not other.close(0)
        assert not other.stats.accepted
    handler.close()
    assert stub.messages == []


def test_flushing_under_the_handlers_lock_does_not_stop_the_sending_thread(
    stub: StubService,
) -> None:
    """As `logging.shutdown` does, while the sending thread logs what urllib3 has to say."""
    handler = ActivityHandler(stub.url, environment="e")
    with at_the_root(handler):
        logging.getLogger("app").info("m")
        handler.acquire()
        assert handler.client.flush(10)
        handler.release()
    handler.close()


def test_a_callback_that_flushes_in_the_sending_thread_does_not_hang(stub: StubService) -> None:
    flushed: list[bool] = []
    client = ActivityClient(
        stub.url,
        component="c",
        environment="e",
        on_reject=lambda event, problem: flushed.append(client.flush()),
    )
    client.send(message="bad")
    assert client.close(20)
    assert flushed == [False]


PROGRAM = """
import atexit, logging
atexit.register(logging.info, "last of all")
from activity_client import ActivityHandler
handler = ActivityHandler({url!r}, environment="e")
logging.getLogger().addHandler(handler)
logging.getLogger().setLevel(logging.DEBUG)
atexit.register(logging.info, "while it ends")
logging.info("before the end")
"""


def run_program(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(url=url)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_what_is_logged_until_the_very_end_is_sent(stub: StubService) -> None:
    assert run_program(stub.url).stderr == ""
    assert stub.messages == ["before the end", "while it ends", "last of all"]


def test_what_is_lost_at_the_end_is_told_on_stderr(stub: StubService) -> None:
    stub.stop()
    stderr = run_program(stub.url).stderr
    lost = f"activity client: events not acknowledged by {stub.url} before the deadline: 3: "
    assert lost in stderr
    assert "Traceback" not in stderr


def test_the_first_example_runs_as_it_stands(stub: StubService) -> None:
    text = (CHECKOUT / "docs/client.md").read_text()
    code = text.partition("```python\n")[2].partition("```")[0]
    assert "http://127.0.0.1:5000" in code
    subprocess.run(
        [sys.executable, "-c", code.replace("http://127.0.0.1:5000", stub.url)],
        cwd=CHECKOUT,
        timeout=60,
        check=True,
    )
    [event] = stub.stored
    assert (event["component"], event["environment"]) == ("billing", "production")
    assert event["data"]["extra"] == {"invoice": 1042}


def test_threads_that_log_all_the_time_lose_nothing(
    stub: StubService, logger: logging.Logger
) -> None:
    handler = ActivityHandler(stub.url, environment="e")
    logger.addHandler(handler)

    def log_many() -> None:
        for _ in range(200):
            logger.info("m")

    threads = [threading.Thread(target=log_many) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    handler.flush()
    assert len(stub.stored) == 1_200
