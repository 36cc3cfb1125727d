"""The embedded PostgreSQL takes a share of what memory there is, a container's limit too."""

import os
from pathlib import Path

import pytest

from cli.embedded.memory import memory_mib
from cli.embedded.postgres import buffers_mib


@pytest.mark.parametrize(
    ("memory", "buffers"),
    [(512, 256), (2_048, 256), (4_096, 512), (8_192, 1_024), (16_384, 2_048), (262_144, 2_048)],
)
def test_an_eighth_of_the_memory_is_postgresqls_within_bounds(memory: int, buffers: int) -> None:
    assert buffers_mib(memory) == buffers


def test_without_a_limit_the_machines_memory_counts(tmp_path: Path) -> None:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    (tmp_path / "none").write_text("max\n")
    (tmp_path / "huge").write_text("9223372036854771712\n")  # version 1 says none in this way
    limits = [tmp_path / name for name in ("none", "huge", "missing")]
    assert memory_mib(limits) == machine


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    (tmp_path / "limit").write_text(f"{300 * 1024 * 1024}\n")
    assert memory_mib([tmp_path / "missing", tmp_path / "limit"]) == 300
