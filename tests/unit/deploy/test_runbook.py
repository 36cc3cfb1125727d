"""Test that the commands of the runbook exist: those of `activity`, and files that others use."""

import pytest

from cli.main import parser
from tests.support.kubernetes_files import container, find, manifests
from tests.support.prometheus import ROOT
from tests.support.runbook import commands, programs


def test_the_runbook_uses_programs_whose_commands_are_tested() -> None:
    """Require a test for a new program: `valkey-cli` and `psql` have one on real servers."""
    tested_here = {"activity", "promtool", "psql", "valkey-cli", "cp", "systemctl", "kubectl"}
    in_containers = {"docker", "deploy/compose/make-secrets", "deploy/compose/replace-api"}
    of_python = {"python3", "/opt/activity/bin/pip", "cat"}
    assert programs() == tested_here | in_containers | of_python


@pytest.mark.parametrize("words", commands("activity"), ids=" ".join)
def test_every_activity_command_of_the_runbook_exists(words: list[str]) -> None:
    parser().parse(words)  # raises UsageError for an unknown command or option


@pytest.mark.parametrize("words", commands("promtool"), ids=" ".join)
def test_every_file_that_the_runbook_checks_exists(words: list[str]) -> None:
    assert (ROOT / words[-1]).exists()


def test_what_systemd_is_given_exists_and_is_started() -> None:
    units = {path.name for path in (ROOT / "deploy/systemd").iterdir()}
    (copied,) = [words[:-1] for words in commands("cp") if words[-1] == "/etc/systemd/system/"]
    assert {name.removeprefix("deploy/systemd/") for name in copied} == units
    named = {
        word for words in commands("systemctl") for word in words if word.startswith("activity")
    }
    assert named <= units
    started = {
        unit.name for unit in (ROOT / "deploy/systemd").iterdir() if "[Install]" in unit.read_text()
    }
    assert started <= named


def test_what_pip_is_given_exists() -> None:
    words = [word for words in commands("/opt/activity/bin/pip") for word in words]
    locks = [word for word in words if word.startswith("locks/")]
    assert locks
    assert all((ROOT / lock).exists() for lock in locks)
    assert {word for word in words if word.startswith((".", "./"))} == {".", "./client"}


def test_what_kubectl_is_told_to_do_is_in_the_manifests() -> None:
    made = {f"{one['kind']}/{one['metadata']['name']}".lower() for one in manifests()}
    short = {"deploy": "deployment"}
    for words in commands("kubectl"):
        for word in words:
            kind, slash, name = word.partition("/")
            if slash and kind in ("deploy", "job"):
                assert f"{short.get(kind, kind)}/{name}" in made
        if "delete" in words:
            assert "/".join(words[words.index("delete") + 1 :][:2]) in made
    (create,) = [words for words in commands("kubectl") if "secret" in words]
    keys = {word.partition("=")[2] for word in create if word.startswith("--from-file=")}
    used = {
        one["valueFrom"]["secretKeyRef"]["key"]
        for one in container(find("Deployment", "activity-api"))["env"]
        if "valueFrom" in one
    }
    assert keys == used
    (activity,) = [
        words[words.index("--") + 2 :] for words in commands("kubectl") if "exec" in words
    ]
    parser().parse(activity)
