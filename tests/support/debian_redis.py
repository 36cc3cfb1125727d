"""Debian's Redis, which has TLS, if it is installed: the embedded Valkey has none."""

import shutil
from collections.abc import Iterator

import pytest

from testbed.valkey import Tls
from tests.support.certificates import Authority
from tests.support.data_folders import reachable_folder

_REDIS = shutil.which("redis-server")
needs_redis = pytest.mark.skipif(_REDIS is None, reason="redis-server is not installed")


@pytest.fixture(scope="module")
def tls() -> Iterator[Tls]:
    """Yield certificates for servers of this machine, of an authority of their own."""
    assert _REDIS
    with reachable_folder() as folder:
        authority = Authority(folder)
        certificate, key = authority.issue()
        yield Tls(_REDIS, certificate, key, authority.file)
