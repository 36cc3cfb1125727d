"""All modules of the explorer as one script, which a browser loads at once and keeps. Pure.

Each module becomes a function that is called once, in the order of the imports; what it exports is
an object. Nothing else is changed: it is the source that is read, tested and debugged. It knows the
few forms of import and export that the sources use, and refuses others.
"""

import posixpath
import re
from collections.abc import Mapping

_IMPORT = re.compile(r'^import (?:(\w+)|\{([^}]*)\}) from "([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*|\bimport\(.*", re.MULTILINE)


def bundled(modules: Mapping[str, str], entry: str) -> tuple[str, set[str]]:
    """Return the script of `entry` and of all that it imports, and the paths that are in it.

    `modules`: the sources by their path, with imports by relative paths. What is imported and is
    not among them stays a module of its own. Raises ValueError for an import in a circle.
    """
    order = _in_order(modules, entry)
    outside = sorted({each for path in order for each in _imports(path, modules[path])} - {*order})
    names = {path: f"m{n}" for n, path in enumerate([*outside, *order])}
    imported = (f'import * as {names[path]} from "./{path}";\n' for path in outside)
    defined = (_function(path, modules[path], names) for path in order)
    return "".join([*imported, *defined]), set(order)


def _in_order(modules: Mapping[str, str], entry: str) -> list[str]:
    """Return the paths of a module and of all that it imports, each behind what it imports."""
    found: dict[str, None] = {}

    def add(path: str, above: tuple[str, ...]) -> None:
        if path in above:
            raise ValueError(f"modules import each other: {' -> '.join([*above, path])}")
        if path in found or path not in modules:
            return
        for each in _imports(path, modules[path]):
            add(each, (*above, path))
        found[path] = None

    add(entry, ())
    return list(found)


def _imports(path: str, source: str) -> list[str]:
    return [_target(path, match[3]) for match in _IMPORT.finditer(source)]


def _target(path: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), name))


def _function(path: str, source: str, names: Mapping[str, str]) -> str:
    def imported(match: re.Match[str]) -> str:
        default, named, name = match.groups()
        what = f"{{ default: {default} }}" if default else f"{{{named.replace(' as ', ': ')}}}"
        return f"const {what} = {names[_target(path, name)]};\n"

    exported = ", ".join(match[1] for match in _EXPORT.finditer(source))
    body = _EXPORT.sub("", _IMPORT.sub(imported, source))
    if other := _OTHER.search(body):
        raise ValueError(f"{path}: {other[0]!r} is no form of import or export that is known")
    return f"const {names[path]} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"
