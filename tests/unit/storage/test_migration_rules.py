"""What a migration may do while the service runs: expand, and block nobody."""

import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from storage.postgres.partition_indexes import LATER_INDEXES

VERSIONS = Path(__file__).parents[3] / "migrations/versions"
FILES = sorted(VERSIONS.glob("[0-9]*.py"))
IN_USE = ("drain_ledger", "events", "dead_letters")  # what drains write into
_FIRST_ON_LARGE_TABLES = "0004"  # before it, there were no installations with data


def text_of(file: Path) -> str:
    return file.read_text()


def module_of(file: Path) -> ModuleType:
    return import_module(f"migrations.versions.{file.stem}")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_migration_says_of_which_workers_it_knows_that_they_can_go_on(file: Path) -> None:
    module = module_of(file)
    assert file.stem.startswith(f"{module.revision}_")
    oldest = getattr(module, "oldest_workers", module.revision)
    assert re.fullmatch("[0-9]{4}", oldest)
    assert oldest <= module.revision


@pytest.mark.parametrize(
    "file", [file for file in FILES if file.stem >= _FIRST_ON_LARGE_TABLES], ids=lambda f: f.stem
)
def test_a_migration_locks_the_tables_in_use_before_it_changes_them(file: Path) -> None:
    text = text_of(file)
    changed = set(re.findall(r"ALTER TABLE (\w+)", text)) & set(IN_USE)
    locked = set(re.findall(r'"(\w+)"', " ".join(re.findall(r"(?<!\w)lock\((.*?)\)", text))))
    assert changed <= locked


@pytest.mark.parametrize(
    "file", [file for file in FILES if file.stem >= _FIRST_ON_LARGE_TABLES], ids=lambda f: f.stem
)
def test_an_index_of_events_is_made_of_later_partitions_only(file: Path) -> None:
    made = re.findall(r"CREATE (?:UNIQUE )?INDEX (\w+) ON (ONLY )?events\b", text_of(file))
    assert all(only for _, only in made), "the index of a large table would block its writers"
    assert {name for name, _ in made} <= set(LATER_INDEXES), "nobody makes it of older partitions"
