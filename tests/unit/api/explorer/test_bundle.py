"""The explorer's modules as one script: it does what the modules do."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from api.explorer.bundle import bundled

SOURCES = {
    "app.js": """/** The app. */
import { render } from "./vendor/library.mjs";
import { twice, one as first } from "./part/twice.js";
import { Names } from "./part/names.js";

// A whole line.
const text = `/* no comment */ // none ${twice(first)}`;
render(/** @type {string[]} */ ([...new Names().all, text]));
""",
    "part/twice.js": """/** @param {number} n */
export function twice(n) {
  return 2 * n; // at the end
}
export const one = 1;
""",
    "part/names.js": """import { one } from "./twice.js";
import library from "../vendor/library.mjs";

/**
 * Names.
 * @type {string[]}
 */
const names = ["a", "b"];
export class Names {
  all = [...names, library, one];
}
export async function later() {}
""",
    "alone.js": "export const alone = true;\n",
}
LIBRARY = "export const render = (all) => console.log(JSON.stringify(all)); export default 'lib';"


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js: apt-get install nodejs")
def test_the_script_does_what_the_modules_do(tmp_path: Path) -> None:
    script, inside = bundled(SOURCES, "app.js")
    assert inside == {"app.js", "part/twice.js", "part/names.js"}
    printed = []
    for folder, files in (("one", {"app.js": script}), ("many", SOURCES)):
        for path, text in {**files, "vendor/library.mjs": LIBRARY, "package.json": PACKAGE}.items():
            (tmp_path / folder / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / path).write_text(text)
        app = tmp_path / folder / "app.js"
        printed.append(json.loads(subprocess.check_output(["node", str(app)])))
    assert printed[0] == printed[1] == ["a", "b", "lib", 1, "/* no comment */ // none 2"]


PACKAGE = '{"type": "module"}'


def test_modules_that_import_each_other_are_refused() -> None:
    modules = {
        "a.js": 'import { b } from "./b.js";\nexport const a = b;\n',
        "b.js": 'import { a } from "./a.js";\nexport const b = a;\n',
    }
    with pytest.raises(ValueError, match=r"a\.js -> b\.js -> a\.js"):
        bundled(modules, "a.js")


@pytest.mark.parametrize(
    "line",
    [
        'import * as all from "./b.js";',
        'import "./b.js";',
        "export { a };",
        "export let a = 1;",
        'export * from "./b.js";',
        'const a = await import("./b.js");',
    ],
)
def test_a_form_that_is_not_known_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="no form of import or export"):
        bundled({"a.js": f"{line}\n", "b.js": ""}, "a.js")
