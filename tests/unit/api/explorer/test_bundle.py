"""The explorer's modules as few scripts: they do what the modules do."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from api.explorer.bundle import SHARED, SMALL, bundled

SOURCES = {
    "app.js": """/** The app. */
import { render } from "./vendor/library.mjs";
import { twice, one } from "./part/twice.js";
import { Names } from "./part/names.js";

// A whole line.
const text = `/* no comment */ // none ${twice(one)}`;
const told = () => Promise.all([import("./part/later.js"), import("./large/large.js")]);
const show = (all) => render(/** @type {string[]} */ ([...new Names().all, text, ...all]));
told().then((parts) => show(parts.map((part) => part.told())));
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
export async function never() {}
""",
    "part/later.js": """import { common } from "../common.js";
import { one } from "./twice.js";
export function told() {
  return `later ${common(one)}`;
}
""",
    "large/large.js": f"""import {{ common }} from "../common.js";
import {{ render }} from "../vendor/library.mjs";
const twice = "a name of another script, too";
export const told = () => `large ${{common(typeof render)}}`;
export const long = "{"x" * SMALL}";
""",
    "common.js": "export function common(value) {\n  return `common ${value}`;\n}\n",
    "alone.js": "export const alone = true;\n",
}
LIBRARY = "export const render = (all) => console.log(JSON.stringify(all)); export default 'lib';"


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js: apt-get install nodejs")
def test_the_script_does_what_the_modules_do(tmp_path: Path) -> None:
    scripts, inside = bundled(SOURCES, "app.js")
    assert set(scripts) == {"app.js", SHARED, "large/large.js"}
    assert inside == SOURCES.keys() - {"alone.js"}
    printed = []
    for folder, files in (("few", scripts), ("many", SOURCES)):
        for path, text in {**files, "vendor/library.mjs": LIBRARY, "package.json": PACKAGE}.items():
            (tmp_path / folder / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / path).write_text(text)
        app = tmp_path / folder / "app.js"
        printed.append(json.loads(subprocess.check_output(["node", str(app)])))
    assert (
        printed[0]
        == printed[1]
        == [
            *("a", "b", "lib", 1, "/* no comment */ // none 2"),
            *("later common 1", "large common function"),
        ]
    )


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
        "const a = await import(name);",
        'import { b as c } from "./b.js";',
        "const [a] = [1];",
    ],
)
def test_a_form_that_is_not_known_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"^a\.js: "):
        bundled({"a.js": f"{line}\n", "b.js": "export const b = 1;\n"}, "a.js")


@pytest.mark.parametrize("second", ["const one = 2;", "function one() {}", "class one {}"])
def test_a_name_that_two_modules_of_a_script_define_is_refused(second: str) -> None:
    modules = {
        "a.js": f'import {{ b }} from "./b.js";\n{second}\n',
        "b.js": "const one = 1;\nexport const b = one;\n",
    }
    with pytest.raises(ValueError, match=r"a\.js: 'one' is a name of b\.js"):
        bundled(modules, "a.js")


def test_what_is_loaded_at_once_can_not_be_loaded_later() -> None:
    modules = {
        "a.js": 'import { b } from "./b.js";\nconst a = () => import("./b.js");\n',
        "b.js": "export const b = 1;\n",
    }
    with pytest.raises(ValueError, match="loaded at once"):
        bundled(modules, "a.js")
