"""One life of the stack of compose.yaml: built, started, used, hurt, scaled, upgraded, removed.

The tests run in the order of this file, and each needs those before it.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from testbed.waiting import wait_until
from tests.containers.load import Load, assert_stored_once, stored
from tests.containers.report import Report
from tests.containers.stack import SECRETS, Stack
from tests.support.certificates import Authority
from tests.support.nginx import needs_nginx
from tests.support.proxies import NAME, ask, documented_nginx, public_client
from tests.support.runbook import section

pytestmark = pytest.mark.containers

ROLES = ("api", "worker")
SERVICES = (*ROLES, "postgres", "queue", "control")
PLANTED = "planted-secret"


def test_compose_refuses_to_start_without_passwords(stack: Stack) -> None:
    refused = stack.compose("up", "-d", "--no-build", "queue", check=False)
    assert refused.returncode != 0
    assert "secrets/queue-password" in refused.stderr
    stack.compose("down", "-v")


def test_the_documented_commands_bring_it_up(stack: Stack, report: Report) -> None:
    """Plant secrets in the folder before: nothing of them may be in an image."""
    copy, make_secrets, up, show_key = section("Install with compose")
    assert copy == "cp .env.example .env"  # the stack has done that, and added its own images
    for name in (".data/planted", "planted.pem", "api/__pycache__/planted.pyc"):
        (stack.folder / name).parent.mkdir(exist_ok=True)
        (stack.folder / name).write_text(PLANTED)
    stack.run_line(make_secrets)
    with report.timed(f"`{up}`, which builds both images"):
        stack.run_line(up)
    stack.token = stack.run_line(show_key).strip()
    assert stack.token.startswith("act_")


@pytest.mark.parametrize("role", ROLES)
def test_an_image_has_what_it_needs_and_nothing_else(
    stack: Stack, report: Report, role: str
) -> None:
    image = f"activity-{role}:latest"
    size, base = (
        int(stack.engine.docker("image", "inspect", "-f", "{{.Size}}", name))
        for name in (image, "check/python:3.13")
    )
    report.add(
        f"size of `activity-{role}`",
        f"{size / 1e6:.0f} MB, of which {base / 1e6:.0f} MB are the base",
    )
    history = stack.engine.docker("history", "--no-trunc", image) + str(stack.inspect(image))
    passwords = [(stack.folder / "secrets" / name).read_text() for name in SECRETS]
    assert not [word for word in (PLANTED, *passwords) if word in history]
    inside = (
        f"grep -rlsa {PLANTED} / --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev;"
        "ls /src /wheels 2>/dev/null; python -m pip --version 2>/dev/null; true"
    )
    run = ("run", "--rm", "--network", "none")
    assert stack.engine.docker(*run, "--user", "0", image, "sh", "-c", inside) == ""
    writable = (
        "id -u; find / -xdev -writable ! -type l ! -path '/proc/*' 2>/dev/null "
        "| grep -vxE '/tmp|/var/tmp|/run/lock|/dev.*'"
    )
    found = stack.engine.docker(*run, image, "sh", "-c", writable).split()
    assert found == ["10001", "/var/lib/activity"], "the folder of the first key's volume"


def test_an_image_has_the_packages_of_the_lock(stack: Stack) -> None:
    """`make sbom` lists the lock, so what it lists is what is there."""
    lock = (stack.folder / "locks/runtime.txt").read_text()
    locked = {
        canonical(name): version for name, version in re.findall(r"^(\S+)==(\S+)", lock, re.M)
    }
    script = (
        "import importlib.metadata as m, json;"
        "print(json.dumps({each.name: each.version for each in m.distributions()}))"
    )
    run = ("run", "--rm", "--network", "none", "activity-api:latest", "python", "-c", script)
    found = {canonical(name): v for name, v in json.loads(stack.engine.docker(*run)).items()}
    ours = {found.pop("activity-service"), found.pop("activity-service-client")}
    assert all(ours)
    assert found.items() <= locked.items()


def canonical(name: str) -> str:
    """Return the name of a package as the index has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("role", ROLES)
def test_an_image_says_what_it_is(stack: Stack, role: str) -> None:
    labels = stack.inspect(f"activity-{role}:latest")["Config"]["Labels"]
    prefix = "org.opencontainers.image."
    assert labels[f"{prefix}title"] == f"activity-{role}"
    assert labels[f"{prefix}base.name"] == "check/python:3.13"
    assert {
        f"{prefix}{name}" for name in ("version", "revision", "licenses", "description")
    } <= set(labels)


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_is_confined(stack: Stack, service: str) -> None:
    (container,) = stack.containers(service)
    found = stack.inspect(container)
    status = Path(f"/proc/{found['State']['Pid']}/status").read_text()
    said = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert said["Uid"].split()[0] == ("10001" if service in ROLES else "999")
    assert (int(said["CapEff"], 16), int(said["CapBnd"], 16), said["NoNewPrivs"]) == (0, 0, "1")
    assert found["HostConfig"]["ReadonlyRootfs"]
    assert found["HostConfig"]["Memory"] >= 512 << 20
    told = json.dumps(found)
    assert not [name for name in SECRETS if (stack.folder / "secrets" / name).read_text() in told]


def test_each_server_has_a_password_of_its_own(stack: Stack) -> None:
    passwords = {(stack.folder / "secrets" / name).read_text() for name in SECRETS}
    assert len(passwords) == 3
    for server, name in (("queue", "control-password"), ("control", "queue-password")):
        wrong = (stack.folder / "secrets" / name).read_text()
        ask = f'valkey-cli --user "$VALKEY_USER" --pass {wrong} ping 2>&1'
        assert "WRONGPASS" in stack.compose("exec", server, "sh", "-c", ask).stdout
        assert "NOAUTH" in stack.compose("exec", server, "valkey-cli", "ping").stdout


def test_what_is_posted_is_read(stack: Stack) -> None:
    with stack.client() as client:
        assert httpx.get(f"{stack.url}/events").status_code == 401
        event = {"component": "first", "environment": "containers", "message": "hello"}
        posted = client.post("/events", json=event)
        assert posted.status_code == 202, posted.text
        place = posted.json()["id"]
        assert client.get(f"/events/{place}").json()["message"] == "hello"
        wait_until(lambda: stored(client, "first") == [place], "it to be stored", 60)
        make = ("activity", "keys", "create", "billing", "--scope", "write", "--quiet")
        token = stack.compose("exec", "-T", "worker", *make).stdout.strip()

        def status() -> int:
            headers = {"authorization": f"Bearer {token}"}
            return httpx.post(f"{stack.url}/events", json=event, headers=headers).status_code

        wait_until(lambda: status() == 202, "the new key to be known", 60)


def test_no_acknowledged_event_is_lost_when_each_container_is_killed(
    stack: Stack, report: Report
) -> None:
    with Load("killed", stack.client, "/events") as load:
        load.wait_for(100)
        for service in ("worker", "control", "postgres", "queue", "api"):
            (container,) = stack.containers(service)
            stack.kill(container)
            load.wait_for(100, f"after the kill of {service}")
        stack.wait_healthy()
    with stack.client() as client:
        assert_stored_once(client, load)
    report.add(
        "each container killed under load",
        f"{len(load.acknowledged):,} events acknowledged, 0 lost, 0 doubled",
    )


def test_the_documented_command_scales_the_workers(stack: Stack, report: Report) -> None:
    (command,) = section("Scale with compose")
    with Load("scaled", stack.client, "/events") as load:
        with report.timed(f"`{command}`"):
            stack.run_line(command)
        workers = stack.containers("worker")
        assert len(workers) == 4
        for worker in workers:
            stack.engine.docker("restart", worker)
        load.wait_for(100)
    assert not load.refused
    with stack.client() as client:
        assert_stored_once(client, load)
    report.add(
        "four workers, restarted one after the other under load",
        f"{len(load.acknowledged):,} events acknowledged, 0 refused, 0 lost, 0 doubled",
    )


@pytest.fixture
def public(stack: Stack, tmp_path: Path) -> Iterator[tuple[int, Path, Authority]]:
    """Run nginx as docs/proxies.md has it: its port, its configuration, and who vouches for it."""
    authority = Authority(tmp_path)
    with documented_nginx(tmp_path, stack.port, authority) as port:
        yield port, tmp_path / "nginx.conf", authority


def replace_api(
    stack: Stack, config: Path, check: bool = True, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the documented command, for another port and the nginx of the test."""
    *_, documented = section("Upgrade with compose")
    script, *_ = documented.split()
    nginx = f"nginx -e {config.parent}/errors -p {config.parent} -c {config}"
    words = (script, config, f"127.0.0.1:{stack.port + 1}")
    return stack.engine.run(*words, cwd=stack.folder, check=check, NGINX=nginx, **more)


@needs_nginx
def test_a_version_that_does_not_start_replaces_nothing(
    stack: Stack, public: tuple[int, Path, Authority]
) -> None:
    _, config, _ = public
    before = (stack.containers("api"), config.read_text(), (stack.folder / ".env").read_text())
    refused = replace_api(stack, config, check=False, ACTIVITY_SHARDS="none")
    assert refused.returncode == 1
    assert "the container before keeps serving" in refused.stderr
    after = (stack.containers("api"), config.read_text(), (stack.folder / ".env").read_text())
    assert after == before
    with stack.client() as client:
        assert client.get("/health/ready").status_code == 200


@needs_nginx
def test_the_documented_upgrade_refuses_no_request(
    stack: Stack, report: Report, public: tuple[int, Path, Authority]
) -> None:
    port, config, authority = public
    stack.configure(ACTIVITY_ALLOWED_HOSTS=f"api,{NAME}")
    stack.compose("up", "-d", "--no-deps", "--wait", "api")
    before = {role: stack.inspect(stack.containers(role)[0])["Image"] for role in ROLES}
    project = stack.folder / "pyproject.toml"
    project.write_text(re.sub('(?m)^version = ".*"', 'version = "99.0.0"', project.read_text()))

    def client() -> httpx.Client:
        """Open a connection for each request: a reload of nginx closes idle ones."""
        headers = {**stack.headers, "host": NAME, "connection": "close"}
        found = public_client(port, authority)
        found.headers.update(headers)
        return found

    *compose, _ = section("Upgrade with compose")
    start = time.monotonic()
    with Load("upgraded", client, "/activity/events") as load:
        load.wait_for(20)
        for line in compose:
            stack.run_line(line)
        replace_api(stack, config)
        load.wait_for(50)
    assert not load.refused
    for role in ROLES:
        assert before[role] not in {stack.inspect(one)["Image"] for one in stack.containers(role)}
    assert (len(stack.containers("api")), len(stack.containers("worker"))) == (1, 4)
    with client() as reader:
        assert ask(reader, "GET", "/activity/openapi.json").json()["info"]["version"] == "99.0.0"
        assert_stored_once(reader, load, "/activity/events")
    report.add(
        "rolling upgrade behind nginx, with the build of the new images",
        f"{time.monotonic() - start:.0f} s: {len(load.acknowledged):,} events acknowledged, "
        "0 refused, 0 lost, 0 doubled",
    )


@pytest.mark.parametrize("service", ["worker", "api", "queue", "control", "postgres"])
def test_a_container_ends_when_it_is_asked_to(stack: Stack, report: Report, service: str) -> None:
    container = stack.containers(service)[0]
    with report.timed(f"`{service}` stops on SIGTERM"):
        stack.engine.docker("stop", container)
    assert stack.inspect(container)["State"]["ExitCode"] == 0


def test_nothing_printed_a_traceback(stack: Stack) -> None:
    """Killed servers are told in a line each."""
    logs = stack.compose("logs", "--no-color", "--no-log-prefix", *ROLES, "migrate").stdout
    assert "Traceback" not in logs, logs[logs.find("Traceback") - 500 :][:4000]


def test_down_leaves_nothing(stack: Stack) -> None:
    stack.compose("down", "-v", "-t", "40")
    for kind in (("ps", "-aq"), ("volume", "ls", "-q")):
        assert stack.engine.docker(*kind) == ""
