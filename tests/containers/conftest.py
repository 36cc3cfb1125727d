"""One engine and one stack for all tests of this folder, which run in the order of their file."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.engine import Engine, NoEngine, engine, make_roots
from tests.containers.images import make_base_images
from tests.containers.report import Report
from tests.containers.stack import Stack, copy_project, two_free_ports


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Iterator[Report]:
    """Collect what the page of a run says; write it if every test passed."""
    report = Report()
    yield report
    if not request.session.testsfailed:
        report.write()


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Give a folder below /tmp, which the engine's root shares with this machine."""
    path = Path(tempfile.mkdtemp(prefix="activity-containers-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def running(folder: Path, report: Report) -> Iterator[Engine]:
    try:
        make_roots()
        with engine(folder) as found:
            with report.timed("make the base and the stand-ins of the two servers"):
                make_base_images(found, folder)
            report.tell_versions(found)
            yield found
    except NoEngine as error:
        pytest.skip(f"no container engine can be had here: {error}")


@pytest.fixture(scope="session")
def stack(running: Engine, folder: Path) -> Iterator[Stack]:
    files = folder / "activity"
    files.mkdir()
    copy_project(files)
    stack = Stack(running, files, two_free_ports())
    stack.configure()
    yield stack
    stack.compose("down", "-v", "-t", "5", check=False)
