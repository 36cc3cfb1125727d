"""Test what `make check` makes of a fault in a deployment's file, and of a tool that is missing."""

import runpy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.prometheus import ROOT

PROGRAM: dict[str, Any] = runpy.run_path(str(ROOT / "deploy/check_deployments.py"))


def verdict(monkeypatch: pytest.MonkeyPatch, check: Callable[[], Iterator[str]]) -> int:
    main = PROGRAM["main"]
    monkeypatch.setitem(main.__globals__, "CHECKS", (check,))
    return int(main())


def sound() -> Iterator[str]:
    yield from ()


def faulty() -> Iterator[str]:
    yield "a fault"


def without_its_tool() -> Iterator[str]:
    yield from ()
    raise PROGRAM["Missing"]("hadolint")


def without_a_tool_of_the_machine() -> Iterator[str]:
    yield from ()
    raise PROGRAM["Missing"]("kubectl", is_expected=True)


def test_a_fault_ends_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert verdict(monkeypatch, sound) == 0
    assert verdict(monkeypatch, faulty) == 1
    assert "faulty: a fault" in capsys.readouterr().err


def test_a_tool_that_should_be_there_is_missed_in_ci_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for ci, wanted in (("", 0), ("true", 1)):
        monkeypatch.setenv("CI", ci)
        assert verdict(monkeypatch, without_its_tool) == wanted
        assert verdict(monkeypatch, without_a_tool_of_the_machine) == 0
    told = capsys.readouterr().out
    assert "not checked: without its tool. hadolint is missing." in told
    assert "kubectl is missing" in told


def test_a_program_that_prints_or_fails_is_a_fault() -> None:
    run = PROGRAM["run"]
    assert list(run("true")) == []
    assert list(run("sh", "-c", "echo told; exit 1")) == ["told\n"]
    assert list(run("echo", "told")) == []
    assert list(run("echo", "told", quiet=True)) == ["told\n"]


def test_a_program_that_fails_without_a_word_is_a_fault() -> None:
    assert list(PROGRAM["run"]("false")) != []
