"""Test that the commands of the runbook exist: those of `activity`, and files that others use."""

import pytest

from cli.main import parser
from tests.support.prometheus import ROOT
from tests.support.runbook import commands, programs


def test_the_runbook_uses_programs_whose_commands_are_tested() -> None:
    """Require a test for a new program: `valkey-cli` and `psql` have one on real servers."""
    assert programs() == {"activity", "promtool", "psql", "valkey-cli"}


@pytest.mark.parametrize("words", commands("activity"), ids=" ".join)
def test_every_activity_command_of_the_runbook_exists(words: list[str]) -> None:
    parser().parse(words)  # raises UsageError for an unknown command or option


@pytest.mark.parametrize("words", commands("promtool"), ids=" ".join)
def test_every_file_that_the_runbook_checks_exists(words: list[str]) -> None:
    assert (ROOT / words[-1]).exists()
