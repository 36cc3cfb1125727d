"""Fixtures that all kinds of tests share."""

import os
import re
import signal
from collections.abc import Iterator

import hypothesis
import pytest

from storage.access import session_token, token
from storage.logs import redaction
from storage.settings import StorageSettings
from testbed.processes import preloading
from testbed.servers import TestServers, test_servers
from tests.support.replicated_servers import REPLAYS, replicated_servers, skip_what_gains_nothing

# `gate`: the same examples in each run, so that a failure comes from the change. `explore`: new
# examples each time (`make explore`). No deadline: other programs may keep the machine busy.
hypothesis.settings.register_profile("gate", derandomize=True, database=None, deadline=None)
hypothesis.settings.register_profile("explore", deadline=None, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))


# A shell that runs us in the background ignores Ctrl-C, and a program inherits what is ignored.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_hide_tokens = re.compile(rf"{token.PATTERN}|{session_token.PREFIX}_\w+").sub


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let tests run on other servers."""
    parser.addoption(
        "--replicated",
        choices=REPLAYS,
        help="run on a cluster as the queue, with readers that use a standby; how it replays",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what can't run on such servers, with the reason."""
    if config.getoption("replicated"):
        skip_what_gains_nothing(items)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name no test after a token, which is another one in each process that collects tests."""
    if not isinstance(val, str | bytes):
        return None
    text = val.decode("latin-1") if isinstance(val, bytes) else val
    hidden = _hide_tokens("token", text)
    return hidden if hidden != text else None


@pytest.fixture(autouse=True)
def _forget_secrets() -> Iterator[None]:
    """Let the process forget the secrets that a test teaches it: they would be masked later.

    Not by `monkeypatch`: a test's own patches must be undone before its other fixtures end.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(redaction, "_known", redaction._known)
        yield


@pytest.fixture(scope="session", autouse=True)
def _preloading() -> Iterator[None]:
    """Import what API processes and workers need once, and not at each start: seconds each."""
    if "COVERAGE_PROCESS_CONFIG" in os.environ:  # which counts the lines of a Python of its own
        yield
        return
    with preloading():
        yield


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[TestServers]:
    """Start PostgreSQL and two Valkeys once; with `--replicated` a cluster and a standby too."""
    replay = request.config.getoption("replicated")
    with replicated_servers(replay) if replay else test_servers() as running:
        yield running


@pytest.fixture
def settings(servers: TestServers) -> Iterator[StorageSettings]:
    """Yield settings of empty servers for one test."""
    with servers.fresh() as fresh:
        yield fresh
