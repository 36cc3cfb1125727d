"""Install the client's wheel alone into an empty environment, and log into a running service."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from importlib.metadata import distribution
from pathlib import Path

import pytest

from testbed.service import Service
from testbed.waiting import wait_until

CLIENT = Path(__file__).parents[2] / "client"
ADDRESS = "http://127.0.0.1:5000"

# Print the folder that pip installs into.
PURELIB = "import sysconfig; print(sysconfig.get_path('purelib'))"

# Import every module of the package, then print what was imported besides the standard library.
# `__mp_main__` is a second name that multiprocessing gives to this program.
IMPORTED = """
import json, pkgutil, sys
before = set(sys.modules)
import activity_client
for module in pkgutil.walk_packages(activity_client.__path__, "activity_client."):
    __import__(module.name)
tops = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps(sorted(tops - {*sys.stdlib_module_names, "__mp_main__"})))
"""


def run(*command: object) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pip(*arguments: object) -> str:
    return run(sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, so that nothing is written into the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    left_out = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(CLIENT, folder / "client", ignore=left_out)
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", folder, folder / "client")
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment that holds urllib3, and then the client.

    No index is asked: pip fails if the client needs anything that is not there.
    """
    folder = tmp_path_factory.mktemp("empty")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    copy_distribution("urllib3", Path(run(python, "-c", PURELIB).strip()))
    pip("--python", python, "install", "--no-index", wheel)
    return python


def copy_distribution(name: str, site_packages: Path) -> None:
    """Install as pip has done here: the same files, and the same record of them."""
    for file in distribution(name).files or ():
        target = site_packages / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source := Path(str(file.locate()))).is_file():
            shutil.copy(source, target)


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    package = {path.relative_to(CLIENT).as_posix() for path in CLIENT.glob("activity_client/*.py")}
    held = {name for name in names if ".dist-info/" not in name}
    assert held == package | {"activity_client/py.typed"}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_it_needs_urllib3_alone(wheel: Path, python: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    needs = message_from_bytes(archive.read(metadata)).get_all("Requires-Dist")
    assert needs == ["urllib3>=2.8"]
    installed = json.loads(pip("--python", python, "list", "--format", "json"))
    assert {package["name"] for package in installed} == {"activity-service-client", "urllib3"}


def test_it_imports_urllib3_and_the_standard_library(python: Path) -> None:
    assert json.loads(run(python, "-I", "-c", IMPORTED)) == ["activity_client", "urllib3"]


def test_the_programs_of_its_readme_run_as_they_stand(running: Service, python: Path) -> None:
    programs = re.findall(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(), re.DOTALL)
    for program in programs:
        assert ADDRESS in program
        run(python, "-I", "-c", program.replace(ADDRESS, running.url))

    def messages() -> list[str]:
        return sorted(str(event["message"]) for event in running.events(component="billing"))

    wanted = ["Invoice 1042 is overdue", "Invoice 1042 was paid"]
    wait_until(lambda: messages() == wanted, "both events to be stored")
