"""Check that the README shows only commands and options that exist."""

import re

import pytest

import git_history
from cli.main import parser
from cli.settings import CliSettings
from tests.support.readme import PAGE, ROOT, blocks, commands, spans

ACTIVITY = commands(".venv/bin/activity")


@pytest.mark.parametrize("arguments", ACTIVITY, ids=" ".join)
def test_every_call_of_the_command_is_accepted(arguments: list[str]) -> None:
    parser().parse(arguments)


@pytest.mark.parametrize("arguments", commands("python3 examples/git_history.py"), ids=" ".join)
def test_every_call_of_the_example_is_accepted(arguments: list[str]) -> None:
    assert git_history.parse_arguments(arguments).repo == "."


@pytest.mark.parametrize("arguments", commands("make"), ids=" ".join)
def test_every_target_is_in_the_makefile(arguments: list[str]) -> None:
    target, *more = arguments
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for options in more:
        parser().parse([target, *options.removeprefix("ARGS=").split()])


def test_enough_commands_are_found_to_be_checked() -> None:
    assert {arguments[0] for arguments in ACTIVITY} >= {"send", "status", "worker", "dead-letters"}
    assert {arguments[0] for arguments in commands("make")} == {"up", "test"}


def test_one_variable_says_where_the_service_is() -> None:
    first, *others = (block for block in blocks("sh") if "curl" in block)
    assert first.startswith(f"export ACTIVITY_URL={CliSettings(_env_file=None).url} ")
    for block in (*blocks("sh"), *blocks("python")):
        assert "http://" not in block.replace("export ACTIVITY_URL=http://", "")
    assert all('"$ACTIVITY_URL/' in block for block in others)


def test_each_default_of_the_table_is_the_settings() -> None:
    rows = re.findall(r"^\| .* \| (.*) \| `ACTIVITY_(\w+)` \| `--(.*)` \|$", PAGE, re.MULTILINE)
    assert [row[1] for row in rows] == ["PORT", "HOST", "DATA_DIR", "URL"]
    for default, variable, option in rows:
        field = CliSettings.model_fields[variable.lower()]
        assert default.strip("`") == str(field.default)
        assert option == variable.lower().replace("_", "-")


def test_only_options_of_date_that_every_system_has_are_used() -> None:
    assert re.findall(r"\bdate [^)]*", PAGE.partition("## From your own")[0])[-1] == "date +%s"
    assert "date -d" not in PAGE
    assert "date -v" not in PAGE


@pytest.mark.parametrize("name", re.findall(r"\]\((?!https?:)([^)#]+)", PAGE))
def test_every_page_that_is_named_exists(name: str) -> None:
    assert (ROOT / name).exists()


def test_every_page_is_named() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in PAGE


@pytest.mark.parametrize("name", [span for span in spans() if span.startswith("ACTIVITY_")])
def test_every_variable_that_is_named_is_a_setting(name: str) -> None:
    assert name.removeprefix("ACTIVITY_").lower() in {*CliSettings.model_fields, "*"}
