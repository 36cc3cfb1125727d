"""Follow the feed over HTTP while processes and servers are killed: no gap, nothing twice."""

import json
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import httpx

from storage.settings import StorageSettings
from testbed.programs import running_program
from testbed.servers import TestServers
from testbed.service import Service, service
from testbed.waiting import wait_until
from tests.support.event_streams import changes, tail

EVENT = {"environment": "e", "message": "m"}
COMPONENTS = ["a", "b", "c"]
READERS: list[dict[str, object]] = [{}, {"component": "a"}, {"q": "-component:a"}]
ROUNDS = 4
_PAGE = Path(__file__).parents[2] / "docs/feed.md"


class Follower:
    """A reader that knows nothing but its token, and reconnects whatever happens."""

    def __init__(self, url: str, token: str, asked: dict[str, object], draw: Random) -> None:
        self.got: Counter[str] = Counter()
        self.connections = 0
        self._url = url
        self._token = token
        self._asked = asked
        self._draw = draw
        self._stopping = threading.Event()

    def follow(self, take: Callable[[httpx.Client], None]) -> None:
        while not self._stopping.is_set():
            with (
                suppress(httpx.HTTPError, AssertionError),  # 503, or no connection
                httpx.Client(base_url=self._url, timeout=30, trust_env=False) as http,
            ):
                self.connections += 1
                take(http)
            self._stopping.wait(0.02)

    def stream(self, http: httpx.Client) -> None:
        most = self._draw.randint(1, 400)
        with tail(http, self._token, **self._asked) as stream:
            for event in stream:
                if event.type == "message":
                    self.got[json.loads(event.data)["id"]] += 1
                self._token = event.last_event_id
                most -= 1
                if most <= 0 or self._stopping.is_set():
                    return

    def poll(self, http: httpx.Client) -> None:
        limit = self._draw.choice([1, 7, 1000])
        found = changes(http, after=self._token, wait=1, limit=limit, **self._asked)
        self.got.update(each["id"] for each in found["events"])
        self._token = found["next"]

    def stop(self) -> None:
        self._stopping.set()


@contextmanager
def following(running: Service) -> Iterator[list[Follower]]:
    """Let streams and polls of each kind follow during the block."""
    start, url = changes(running.http)["next"], running.url
    streams = [Follower(url, start, asked, Random(n)) for n, asked in enumerate(READERS)]
    polls = [Follower(url, start, asked, Random(n)) for n, asked in enumerate(READERS)]
    threads = [
        *(threading.Thread(target=one.follow, args=(one.stream,)) for one in streams),
        *(threading.Thread(target=one.follow, args=(one.poll,)) for one in polls),
    ]
    for thread in threads:
        thread.start()
    try:
        yield [*streams, *polls]
    finally:
        for one in (*streams, *polls):
            one.stop()
        for thread in threads:
            thread.join(60)


def post_some(running: Service, draw: Random) -> list[tuple[str, str]]:
    """Post a batch that must be accepted, to whichever process lives; return ids and components."""
    components = draw.choices(COMPONENTS, k=draw.choice([1, 30, 300]))
    events = [{**EVENT, "component": each} for each in components]
    key = {"idempotency-key": str(draw.random())}

    def posted() -> httpx.Response | None:
        with (
            suppress(httpx.HTTPError),
            httpx.Client(base_url=running.url, timeout=30, trust_env=False) as http,
        ):
            found = http.post("/events/batch", json=events, headers=key)
            return found if found.status_code == 202 else None
        return None

    answer = wait_until(posted, "a batch to be accepted")
    assert answer
    return [
        (one["id"], component)
        for one, component in zip(answer.json()["results"], components, strict=True)
    ]


def hurt(running: Service, servers: TestServers, number: int) -> None:
    """Kill an API process and a worker, and restart PostgreSQL every other time."""
    for killed in (running.apis.pop(0), running.workers.pop(0)):
        killed.kill()
        killed.wait()
    running.start_api()
    running.start_worker()
    if number % 2:
        servers.servers.postgres.stop()
        servers.servers.postgres.start()


def wanted(sent: list[tuple[str, str]], asked: dict[str, object]) -> set[str]:
    of = {"a"} if asked.get("component") else {"b", "c"} if asked else set(COMPONENTS)
    return {one for one, component in sent if component in of}


def test_readers_get_each_event_once_whatever_is_killed(
    settings: StorageSettings, servers: TestServers
) -> None:
    draw, sent = Random(11), []
    with service(settings, apis=2, workers=2) as running, following(running) as readers:
        for number in range(ROUNDS):
            for _ in range(10):
                sent += post_some(running, draw)
            hurt(running, servers, number)
            sent += post_some(running, draw)
        for number, reader in enumerate(readers):
            expected = wanted(sent, READERS[number % len(READERS)])
            wait_until(
                lambda reader=reader, expected=expected: set(reader.got) >= expected,  # type: ignore[misc]
                "every event to be read",
                120,
            )
    for number, reader in enumerate(readers):
        expected = wanted(sent, READERS[number % len(READERS)])
        assert set(reader.got) == expected
        assert set(reader.got.values()) == {1}
        assert reader.connections > ROUNDS


def test_the_documented_consumer_writes_each_event_once_however_often_it_is_killed(
    settings: StorageSettings, tmp_path: Path
) -> None:
    file, draw, sent = tmp_path / "events", Random(5), []
    with service(settings) as running:
        command = consumer_of(running, file)
        for number in range(8):
            with running_program(command):
                sent += post_some(running, draw)
                size = file.stat().st_size if file.exists() else 0
                if number % 2:  # in the middle of its work, or while it waits
                    wait_until(lambda size=size: _size(file) > size, "more of the file")  # type: ignore[misc]
        with file.open("ab") as begun:
            begun.write(b'{"id":"half of a li')  # as a killed one may leave it
        with running_program(command):
            wait_until(lambda: b"half of" not in file.read_bytes(), "the file to be cut")
            wait_until(lambda: _ids(file) >= {one for one, _ in sent}, "all events")
    lines = file.read_text().splitlines()
    assert Counter(json.loads(line)["id"] for line in lines) == Counter(one for one, _ in sent)


def test_the_documented_consumer_keeps_every_digit(
    settings: StorageSettings, tmp_path: Path
) -> None:
    file = tmp_path / "events"
    sent = [
        '{"price": 0.10000000000000000555111512312578270, "n": 1.50, "big": 1E300}',
        '{"many": ' + "7" * 4300 + ',\n "text": "]} 1.0, [{\\n", "empty": []}',
    ]
    body = ",".join(
        f'{{"component": "c", "environment": "e", "message": "é", "data": {data}}}' for data in sent
    )
    with service(settings) as running:
        posted = running.http.post(
            "/events/batch", content=f"[{body}]", headers={"content-type": "application/json"}
        )
        assert posted.status_code == 202, posted.text
        with running_program(consumer_of(running, file)):
            wait_until(lambda: len(_ids(file)) == 2, "both events")
        told = running.http.get("/events", params={"order": "asc"}).text
    lines = file.read_text().splitlines()
    assert f'{{"events":[{",".join(lines)}],' in told
    assert "0.10000000000000000555111512312578270" in lines[0]
    assert "7" * 4300 in lines[1]


def test_the_documented_consumer_keeps_a_file_whose_position_is_unknown(
    settings: StorageSettings, tmp_path: Path
) -> None:
    file, beside = tmp_path / "events", tmp_path / "events.at"
    with service(settings) as running:
        for before, position in ((b'{"id": "mine"}\n', None), (b"short", "6 start\n")):
            file.write_bytes(before)
            if position:
                beside.write_text(position)
            done = subprocess.run(
                consumer_of(running, file), capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 1
            assert done.stderr.startswith(str(file))
            assert file.read_bytes() == before
            assert beside.exists() == bool(position)


def consumer_of(running: Service, file: Path) -> list[str]:
    """Return the command that runs the consumer of the documentation."""
    (program,) = re.findall(
        r"<!-- consumer: begin -->\n```python\n(.*?)```", _PAGE.read_text(), re.DOTALL
    )
    return [sys.executable, "-c", program, running.url, str(file)]


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _ids(file: Path) -> set[str]:
    *lines, _ = (file.read_bytes() + b"\n").split(b"\n") if file.exists() else [b""]
    found = set()
    for line in lines:
        with suppress(ValueError):
            found.add(json.loads(line, parse_int=str)["id"])
    return found
