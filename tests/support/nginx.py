"""Run a real nginx in front of the service, if one is installed."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.waiting import wait_until

# Debian's path, which is not in the PATH of an ordinary user.
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")

needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

_CONFIG = """
daemon off;
pid {folder}/pid;
error_log {folder}/errors warn;
worker_processes 1;
{user}
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 100000;
    upstream service {{ server {upstream}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host localhost;
        {locations}
    }}
}}
"""


@contextmanager
def nginx(
    folder: Path, upstream: str, locations: str = "location / { proxy_pass http://service; }"
) -> Iterator[int]:
    """Yield the port of an nginx that passes requests on to `upstream` over kept connections."""
    with socket.create_server(("127.0.0.1", 0)) as plug:
        port = plug.getsockname()[1]
    user = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        _CONFIG.format(folder=folder, upstream=upstream, port=port, locations=locations, user=user)
    )
    process = subprocess.Popen([str(NGINX), "-e", folder / "errors", "-p", folder, "-c", config])
    try:
        wait_until(lambda: _listens(port) or process.poll() is not None, "nginx to listen", 30)
        assert process.poll() is None, (folder / "errors").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
