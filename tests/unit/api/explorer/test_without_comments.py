"""Modules are served without their comments, and mean the same."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from api.explorer.assets import STATIC, VENDOR, without_comments, without_indentation

ROOT = Path(__file__).parents[4]
MODULES = [
    file
    for file in STATIC.rglob("*.js")
    if not file.relative_to(STATIC).as_posix().startswith(f"{VENDOR}/")
]
# Prints the numbers of the pairs whose syntax trees differ.
_COMPARE = """
import { parse } from "acorn";
import { readFileSync } from "node:fs";
const treeOf = (text) => JSON.stringify(
  parse(text, { sourceType: "module", ecmaVersion: "latest" }),
  (key, value) => (key === "start" || key === "end" ? undefined : key === "raw" || key === "cooked"
    ? value.replace(/\\n\\s*/g, "\\n") : value),
);
const pairs = JSON.parse(readFileSync(0, "utf8"));
const differ = pairs.flatMap(([one, other], n) => (treeOf(one) === treeOf(other) ? [] : [n]));
console.log(JSON.stringify(differ));
"""


def differing(pairs: list[tuple[str, str]]) -> list[int]:
    path = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    node = shutil.which("node", path=path)
    if node is None or not (ROOT / "node_modules/acorn").exists():
        pytest.skip("no acorn: make check-js installs it, where Node.js is (make node)")
    done = subprocess.run(
        [node, "--input-type=module", "-e", _COMPARE],
        input=json.dumps(pairs),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return list(json.loads(done.stdout))


def test_every_module_means_the_same_without_its_comments() -> None:
    texts = [file.read_text() for file in MODULES]
    assert differing([(text, without_comments(text)) for text in texts]) == []
    assert differing([(text, without_indentation(text)) for text in texts]) == []


def test_a_line_of_text_that_only_looks_like_a_comment_would_be_noticed() -> None:
    text = "export const text = `\n// not a comment\n`;\n"
    assert differing([(text, without_comments(text))]) == [0]


def test_comments_in_lines_of_their_own_are_left_out() -> None:
    text = '/** What\n * it does. */\nconst a = "/*"; // why\n  // how\nconst b = 1;\n'
    assert without_comments(text) == 'const a = "/*"; // why\nconst b = 1;\n'
