"""The commands for systemd of docs/operations.md, run by a systemd that has booted."""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from testbed.waiting import wait_until
from tests.containers.engine import Engine
from tests.containers.images import POSTGRES, VALKEY
from tests.containers.load import Load, assert_stored_once
from tests.containers.machine import Machine, machine
from tests.containers.report import Report
from tests.containers.stack import copy_project
from tests.support.runbook import section

pytestmark = pytest.mark.containers

SERVICES = ("activity-api.service", "activity-worker.service")
PASSWORD = "of-this-test"
_QUEUE = ("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction")
_CONTROL = ("--save", "", "--maxmemory", "256mb", "--maxmemory-policy", "volatile-lru")


@dataclass
class Installed:
    """The service on the machine, and an administrator's token once it is there."""

    machine: Machine
    port: int
    token: str = ""

    def client(self) -> httpx.Client:
        """Return a client of the API with the administrator's key."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"authorization": f"Bearer {self.token}"},
            timeout=30,
            trust_env=False,
        )

    def run(self, heading: str) -> list[str]:
        """Run the lines below a heading of the runbook; return what each prints."""
        try:
            return [self.machine.run(line) for line in section(heading)]
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None

    def logs(self) -> str:
        """Return what each unit said last."""
        units = ("activity-migrate.service", *SERVICES)
        return "\n".join(self.machine.log(unit) for unit in units)


@pytest.fixture(scope="module")
def installed(running: Engine, folder: Path) -> Iterator[Installed]:
    """Give a machine with the files that an operator writes before the first command."""
    project = folder / "for-systemd"
    copy_project(project)
    postgres, queue, control, api, probes = _free_ports(5)
    with ExitStack() as stack:
        _start_servers(running, folder, stack, postgres, queue, control)
        booted = stack.enter_context(machine(folder / "machine", project))
        at = f":{PASSWORD}@127.0.0.1"
        urls = {
            "database": f"postgresql+psycopg2://activity{at}:{postgres}/activity",
            "queue": f"redis://{at}:{queue}/0",
            "control": f"redis://{at}:{control}/0",
        }
        for name, url in urls.items():
            booted.write(f"/etc/activity/{name}-url", url)
        booted.write("/etc/activity/.env", f"ACTIVITY_PORT={api}\n", "0644")
        # Its network is this machine's, where the port of the unit may be taken.
        drop_in = "/etc/systemd/system/activity-worker.service.d/port.conf"
        booted.write(drop_in, f"[Service]\nEnvironment=ACTIVITY_PROBE_PORT={probes}\n", "0644")
        yield Installed(booted, api)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        plugs = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [plug.getsockname()[1] for plug in plugs]


def _start_servers(
    running: Engine, folder: Path, stack: ExitStack, postgres: int, queue: int, control: int
) -> None:
    """Run the three servers on loopback, each with a password."""
    password = folder / "systemd-password"
    password.write_text(PASSWORD)
    common = ("run", "-d", "--network", "host")
    made = [
        running.docker(
            *common, "--user", "postgres", "--shm-size", "256m",
            "-v", f"{password}:/run/password:ro", "-e", "POSTGRES_PASSWORD_FILE=/run/password",
            "-e", "POSTGRES_USER=activity", "-e", "POSTGRES_DB=activity",
            POSTGRES, "postgres", "-p", postgres, "-c", "listen_addresses=127.0.0.1",
        )
    ]  # fmt: skip
    for port, options in ((queue, _QUEUE), (control, _CONTROL)):
        words = ("--bind", "127.0.0.1", "--port", port, "--requirepass", PASSWORD)
        made.append(running.docker(*common, VALKEY, "valkey-server", *words, *options))
    stack.callback(running.docker, "rm", "-f", "-v", *made)


def test_the_documented_commands_install_it(installed: Installed, report: Report) -> None:
    with report.timed("installation for systemd: a virtual environment, the units, their start"):
        *_, token = installed.run("Install with systemd")
    installed.token = token.strip()
    assert installed.token.startswith("act_")
    _wait_ready(installed)
    report.add("systemd", installed.machine.run("systemctl --version | head -n 1").strip())


def _wait_ready(installed: Installed) -> None:
    def is_ready() -> bool:
        with installed.client() as client:
            try:
                return client.get("/health/ready?for=query").status_code == 200
            except httpx.HTTPError:
                return False

    try:
        wait_until(is_ready, "the API to be ready", 180)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{installed.logs()}") from None


@pytest.mark.parametrize("unit", SERVICES)
def test_a_service_is_confined(installed: Installed, unit: str) -> None:
    shown = installed.machine.run(f"systemctl show -p MainPID --value {unit}").strip()
    status = installed.machine.run(f"cat /proc/{shown}/status")
    said = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert int(said["Uid"].split()[0]) >= 61184, "a dynamic user"
    assert (int(said["CapEff"], 16), int(said["CapBnd"], 16)) == (0, 0)
    assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")
    environment = installed.machine.run(f"tr '\\0' '\\n' </proc/{shown}/environ")
    assert "ACTIVITY_DATABASE_URL_FILE=/run/credentials/" in environment
    assert PASSWORD not in environment
    assert PASSWORD not in installed.machine.run(f"systemctl show {unit}")


def test_the_documented_upgrade_refuses_no_request(installed: Installed, report: Report) -> None:
    before = {unit: set(installed.machine.processes(unit)) for unit in SERVICES}
    api, worker = SERVICES
    with Load("systemd", installed.client, "/events") as load:
        load.wait_for(20)
        installed.run("Upgrade with systemd")
        wait_until(
            lambda: len(before[api] & set(installed.machine.processes(api))) == 1,
            "a successor of each process of the API but the supervisor",
            180,
        )
        load.wait_for(50)
    assert not load.refused, installed.logs()
    assert not before[worker] & set(installed.machine.processes(worker))
    with installed.client() as client:
        assert_stored_once(client, load)
    report.add(
        "upgrade with systemd: `pip install`, a restart of the workers, a reload of the API",
        f"{len(load.acknowledged):,} events acknowledged, 0 refused, 0 lost, 0 doubled",
    )


def test_the_target_stops_both_services(installed: Installed) -> None:
    def state(unit: str) -> dict[str, str]:
        shown = installed.machine.run(f"systemctl show -p ActiveState -p Result {unit}")
        return dict(re.findall("(.*)=(.*)", shown))

    installed.machine.run("systemctl stop activity.target")
    wait_until(
        lambda: all(state(unit)["ActiveState"] != "deactivating" for unit in SERVICES),
        "the end of both services",
    )
    for unit in SERVICES:
        ended = {"ActiveState": "inactive", "Result": "success"}
        assert state(unit) == ended, installed.machine.log(unit)
    logs = installed.logs()
    assert "Traceback" not in logs, logs[logs.find("Traceback") - 500 :][:4000]
