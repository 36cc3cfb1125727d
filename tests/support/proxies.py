"""The configurations of docs/proxies.md, run by real proxies on ports of this machine."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from testbed.waiting import wait_until
from tests.support.certificates import Authority
from tests.support.nginx import NGINX

NAME = "logs.example.com"
OPERATORS = "10.20.0.0/16"  # from where operators come, as the page has it
CADDY = shutil.which("caddy")
needs_caddy = pytest.mark.skipif(CADDY is None, reason="caddy is not installed")
_PAGE = (Path(__file__).parents[2] / "docs/proxies.md").read_text()


def example(proxy: str) -> str:
    """Return the configuration that the page has for a proxy."""
    (found,) = re.findall(rf"<!-- {proxy}: begin -->\n```\w+\n(.*?)```", _PAGE, re.DOTALL)
    return str(found)


@contextmanager
def documented_nginx(
    folder: Path, upstream: int, authority: Authority, operators: str = OPERATORS
) -> Iterator[int]:
    """Run nginx with the page's configuration; yield its port for HTTPS."""
    plain, secure = _free_port(), _free_port()
    certificate, key = authority.issue("proxy", NAME)
    config = (
        re.sub(r"listen \[::\].*\n", "\n", example("nginx"))
        .replace("127.0.0.1:5000", f"127.0.0.1:{upstream}")
        .replace(OPERATORS, operators)
        .replace("listen 80;", f"listen 127.0.0.1:{plain};")
        .replace("listen 443 ssl;", f"listen 127.0.0.1:{secure} ssl;")
        .replace("/etc/ssl/logs.example.com/fullchain.pem", str(certificate))
        .replace("/etc/ssl/logs.example.com/privkey.pem", str(key))
    )
    temporary = "\n".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/pid;\n{user}\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}\n{config}\n}}\n"
    )
    command = [str(NGINX), "-e", folder / "errors", "-p", folder, "-c", folder / "nginx.conf"]
    with _running(command, folder / "errors", secure):
        yield secure


@contextmanager
def documented_caddy(
    folder: Path, upstream: int, authority: Authority, operators: str = OPERATORS
) -> Iterator[int]:
    """Run Caddy with the page's configuration; yield its port for HTTPS."""
    secure, plain = _free_port(), _free_port()
    certificate, key = authority.issue("proxy", NAME)
    config = (
        example("caddy")
        .replace("127.0.0.1:5000", f"127.0.0.1:{upstream}")
        .replace(OPERATORS, operators)
        .replace(f"{NAME} {{", f"{NAME} {{\n    tls {certificate} {key}\n", 1)
    )
    (folder / "Caddyfile").write_text(
        f"{{\n    admin off\n    http_port {plain}\n    https_port {secure}\n"
        f"    storage file_system {folder}\n}}\n{config}"
    )
    command = [str(CADDY), "run", "--config", folder / "Caddyfile"]
    with _running(command, folder / "errors", secure):
        yield secure


@contextmanager
def _running(command: list[object], log: Path, port: int) -> Iterator[None]:
    with log.open("ab") as output:
        process = subprocess.Popen(list(map(str, command)), stdout=output, stderr=output)
    try:
        wait_until(lambda: _listens(port) or process.poll() is not None, "a proxy", 60)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(60)


def public_client(port: int, authority: Authority) -> httpx.Client:
    """Return a client for the public name, which leads to the proxy on this machine."""
    return httpx.Client(
        base_url=f"https://127.0.0.1:{port}",
        headers={"host": NAME},
        verify=authority.client_context(),
        trust_env=False,
        timeout=60,
    )


def ask(client: httpx.Client, method: str, path: str, **options: object) -> httpx.Response:
    """Send a request under the public name."""
    extensions = {"sni_hostname": NAME}
    return client.request(method, path, extensions=extensions, **options)  # type: ignore[arg-type]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as plug:
        port: int = plug.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
