"""The files of the explorer: what they weigh, how they name each other, where they come from."""

import gzip
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from api.explorer.assets import ICON, PACKAGES, SCRIPT, STATIC, STYLES, VENDOR, Assets
from api.explorer.page import POLICY, Pages
from testbed.vendored import FOLDER, HASHES, sha256_of, vendored

KIB = 1024
LIBRARY_BYTES = 40 * KIB  # compressed
COLD_BYTES = 40 * KIB  # compressed: the page, and what it loads before anything is opened
OWN_BYTES = 83 * KIB  # compressed: all of ours
MAX_LINES = {".js": 200, ".css": 350}  # of one of our own files
OWN = [
    file
    for file in sorted(STATIC.rglob("*"))
    if file.suffix in {".js", ".css", ".html"} and FOLDER not in file.parents
]
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)  # it names types: `import("preact")`
_IMPORTED = re.compile(r'(?<!")\b(?:from|import)\s*\(?"([\w./@-]+)"')


@pytest.fixture(scope="module")
def assets() -> Assets:
    return Assets()


def weight(assets: Assets, paths: Iterable[str]) -> int:
    """Return the bytes that a browser gets for these files."""
    files = (assets.files[path] for path in paths)
    return sum(len(asset.gzipped or asset.content) for asset in files)


def test_libraries_and_our_own_files_keep_to_their_budgets(assets: Assets) -> None:
    libraries = {path for path in assets.files if path.startswith(f"{VENDOR}/")}
    at_once = {*assets.modules, STYLES, ICON}  # held to what the page names in another test
    page = len(Pages(assets, "1.0").below("").gzipped or b"")
    assert libraries <= at_once
    assert weight(assets, libraries) <= LIBRARY_BYTES
    assert page + weight(assets, at_once - libraries) <= COLD_BYTES
    assert page + weight(assets, assets.files.keys() - libraries) <= OWN_BYTES


@pytest.mark.parametrize("file", OWN, ids=lambda file: file.relative_to(STATIC).as_posix())
def test_a_file_of_ours_is_short_and_names_no_other_host(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) < MAX_LINES.get(file.suffix, 200)
    assert not re.search(r"[\"'(]\s*(https?:)?//", text)


def test_a_vendored_file_is_what_the_list_says() -> None:
    listed = {each.file: each for each in vendored()}
    assert {file.name for file in FOLDER.iterdir()} == {*listed, HASHES.name}
    for file, each in listed.items():
        assert sha256_of(FOLDER / file) == each.sha256, file
    packages = {each.package for each in listed.values()}
    assert {f"{package}.LICENSE" for package in packages} <= set(listed)


def test_every_import_leads_to_a_file_that_is_served(assets: Assets) -> None:
    for path in (each for each in assets.files if each.endswith((".js", ".mjs"))):
        text = _COMMENT.sub("", assets.files[path].content.decode())
        for name in _IMPORTED.findall(text):
            assert name.startswith("."), (path, name)
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
            assert target in assets.files, (path, name)


def test_the_page_needs_one_script_of_ours_at_once(assets: Assets) -> None:
    own = [path for path in assets.modules if not path.startswith(f"{VENDOR}/")]
    assert own == [SCRIPT]


def test_a_style_sheet_that_a_module_names_is_served_alone(tmp_path: Path) -> None:
    for path in ("a.css", "part/b.css"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(f"/* {path} */\n.{path[-5]} {{\n  color: red;\n}}\n")
    (tmp_path / "app.js").write_text('const styles = "part/b.css";\n')
    found = {path: asset.content.decode() for path, asset in Assets(tmp_path).files.items()}
    assert found["part/b.css"] == ".b {\ncolor: red;\n}\n"
    assert found[STYLES] == ".a {\ncolor: red;\n}\n"


def test_a_style_sheet_that_a_module_names_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "app.js").write_text('const styles = "gone.css";\n')
    with pytest.raises(KeyError, match="gone"):
        Assets(tmp_path)


def test_the_names_of_packages_become_paths(tmp_path: Path) -> None:
    (tmp_path / "table/part").mkdir(parents=True)
    (tmp_path / "a.js").write_text('import { h } from "preact";\nimport "./table/b.js";\n')
    (tmp_path / "table/b.js").write_text('import{a}from"preact/hooks";\nimport uPlot from "uplot";')
    (tmp_path / "table/part/c.js").write_text('export * from "htm"; const from = "preact";')
    found = {path: asset.content.decode() for path, asset in Assets(tmp_path).files.items()}
    assert found["a.js"] == 'import { h } from "./vendor/preact.mjs";\nimport "./table/b.js";\n'
    assert found["table/b.js"] == (
        'import{a}from"../vendor/hooks.mjs";\nimport uPlot from "../vendor/uplot.js";'
    )
    assert found["table/part/c.js"] == (
        'export * from "../../vendor/htm.mjs"; const from = "preact";'
    )


def test_the_version_follows_from_every_file_and_nothing_else(tmp_path: Path) -> None:
    def version(**files: str) -> str:
        for name, text in files.items():
            (tmp_path / name.replace("_", ".")).write_text(text)
        return Assets(tmp_path).version

    first = version(a_js="1", b_js="2", c_css="3")
    assert version(a_js="1") == first
    assert version(README_md="not served") == first
    others = [version(a_js="12", b_js=""), version(a_js="1", b_js="2"), version(c_css="4")]
    assert others[1] == first
    assert len({first, *others}) == 3


def test_style_sheets_are_one_in_which_a_panel_wins(tmp_path: Path) -> None:
    for path in ("vendor/v.css", "styles/base.css", "table/a.css", "a.css"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(f"{path.translate(str.maketrans('/.', '__'))} {{}}\n")
    text = Assets(tmp_path).files[STYLES].content.decode()
    assert re.findall(r"(\w+) {}", text) == [
        "vendor_v_css",
        "styles_base_css",
        "a_css",
        "table_a_css",
    ]


def test_compressed_files_are_the_same_files(assets: Assets) -> None:
    compressed = [asset for asset in assets.files.values() if asset.gzipped]
    assert compressed
    for asset in compressed:
        assert asset.gzipped is not None
        assert gzip.decompress(asset.gzipped) == asset.content
        assert len(asset.gzipped) < len(asset.content)


def test_a_package_is_named_by_what_it_is_served_as(assets: Assets) -> None:
    assert set(PACKAGES.values()) <= set(assets.files)
    assert assets.files["vendor/uplot.js"].content.endswith(b"\nexport default uPlot;\n")


def test_the_page_escapes_the_path_of_a_proxy(assets: Assets) -> None:
    page = Pages(assets, "1.0").below("/a'&amp;b").content.decode()
    assert 'href="/a&#x27;&amp;amp;b/docs"' in page


def test_the_policy_allows_nothing_inline_and_nothing_foreign() -> None:
    assert POLICY == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
