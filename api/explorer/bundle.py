"""The explorer's modules as few scripts: one for the page, one for each part opened later. Pure.

A module that is imported with `import()` begins a script of its own. What is too small for that,
and what several of them need while the page does not, is in the script SHARED. Modules stand one
after the other, in the order of the imports, without wrappers: so a name at the top of a module
belongs to it alone, and a second one in the same script is refused. Nothing is renamed. It knows
the few forms of import and export that the sources use, and refuses others.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import NamedTuple

SHARED = "shared.js"
SMALL = 8_000  # characters; a script of its own would cost more than it saves

_IMPORT = re.compile(r'^import (?:(\w+)|\{([^}]*)\}) from "([^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
_LATER = re.compile(r'\bimport\("([^"]+)"\)')
_TOP = re.compile(r"^(?:async )?(?:function\*?|class|const|let|var) (\w+|[\[{])", re.MULTILINE)
_OTHER = re.compile(r"^(?:import|export)\b.*|\bimport\((?!\").*", re.MULTILINE)


class _Module(NamedTuple):
    """A module: what it imports by the path, what it loads later, and its text without imports."""

    imports: Mapping[str, tuple[str, ...]]
    later: tuple[str, ...]
    exports: tuple[str, ...]
    tops: tuple[str, ...]
    body: str


def bundled(modules: Mapping[str, str], entry: str) -> tuple[dict[str, str], set[str]]:
    """Return the scripts by their path, and the paths of the modules that are in them.

    `modules`: the sources by their path, with imports by relative paths. What is imported and is
    not among them stays a module of its own. Raises ValueError for what it does not know, for
    imports in a circle, and for a name that two modules of a script define.
    """
    found: dict[str, _Module] = {}
    orders = {entry: _in_order(modules, found, entry)}
    for path in _all_later(modules, found, orders):
        if path in orders[entry]:
            raise ValueError(f"{path}: is loaded at once, so that it can't be loaded later")
    scripts = _divided(orders, entry, found)
    place = {path: script for script, paths in scripts.items() for path in paths}
    texts = {script: _text(script, paths, found, place) for script, paths in scripts.items()}
    return texts, set(found)


def _all_later(
    modules: Mapping[str, str], found: dict[str, _Module], orders: dict[str, list[str]]
) -> Iterable[str]:
    """Note the order of each module that is loaded later, by its path, and return these paths."""
    todo = list(orders)
    for path in todo:  # grows meanwhile
        for each in dict.fromkeys(later for one in orders[path] for later in found[one].later):
            if each not in orders:
                orders[each] = _in_order(modules, found, each)
                todo.append(each)
    return todo[1:]


def _divided(
    orders: Mapping[str, list[str]], entry: str, found: Mapping[str, _Module]
) -> dict[str, list[str]]:
    """Return which modules are in which script, in their order."""
    at_once = set(orders[entry])
    later = {
        path: [each for each in order if each not in at_once] for path, order in orders.items()
    }
    del later[entry]
    uses = Counter(each for order in later.values() for each in order)
    own = {path: [each for each in later[path] if uses[each] == 1] for path in later}
    sizes = {path: sum(len(found[each].body) for each in own[path]) for path in own}
    alone = {path: own[path] for path in own if path in own[path] and sizes[path] >= SMALL}
    apart = {each for paths in alone.values() for each in paths}
    shared = dict.fromkeys(each for each in chain(*later.values()) if each not in apart)
    return {entry: orders[entry], **({SHARED: list(shared)} if shared else {}), **alone}


def _in_order(modules: Mapping[str, str], found: dict[str, _Module], entry: str) -> list[str]:
    """Return the paths of a module and of all that it imports, each behind what it imports."""
    order: dict[str, None] = {}

    def add(path: str, above: tuple[str, ...]) -> None:
        if path in above:
            raise ValueError(f"modules import each other: {' -> '.join([*above, path])}")
        if path in order or path not in modules:
            return
        if path not in found:
            found[path] = _module(path, modules[path])
        for each in found[path].imports:
            add(each, (*above, path))
        order[path] = None

    add(entry, ())
    return list(order)


def _module(path: str, source: str) -> _Module:
    imports: dict[str, tuple[str, ...]] = {}
    for default, named, name in _IMPORT.findall(source):
        names = (
            [f"default as {default}"] if default else [each.strip() for each in named.split(",")]
        )
        target = _target(path, name)
        imports[target] = (*imports.get(target, ()), *filter(None, names))
        if " as " in named and not target.startswith("vendor/"):
            raise ValueError(f"{path}: {named!r} gives another name")
    body = _EXPORT.sub("", _IMPORT.sub("", source))
    if other := _OTHER.search(body):
        raise ValueError(f"{path}: {other[0]!r} is no form of import or export that is known")
    later = tuple(_target(path, name) for name in _LATER.findall(body))
    return _Module(imports, later, tuple(_EXPORT.findall(source)), tuple(_TOP.findall(body)), body)


def _target(path: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), name))


def _refuse_repeated(script: str, names: Iterable[tuple[str, str]]) -> None:
    """Refuse a name that has two owners in one script; `names`: each with its owner."""
    owners: dict[str, str] = {}
    for name, owner in names:
        if owners.setdefault(name, owner) != owner or name in "[{":
            raise ValueError(f"{owner}: {name!r} is a name of {owners[name]} in {script}, too")


def _text(
    script: str, paths: list[str], found: Mapping[str, _Module], place: Mapping[str, str]
) -> str:
    """Return a script: what it takes from others, its modules, and what others take from it."""
    taken: dict[str, dict[str, None]] = {}
    for path in paths:
        for target, names in found[path].imports.items():
            if (source := place.get(target, target)) != script:
                taken.setdefault(source, {}).update(dict.fromkeys(names))
    outside = [(name.rpartition(" ")[2], source) for source in taken for name in taken[source]]
    _refuse_repeated(script, [*outside, *((n, path) for path in paths for n in found[path].tops)])
    imported = (
        f'import {{ {", ".join(names)} }} from "{_relative(script, source)}";\n'
        for source, names in sorted(taken.items())
    )
    bodies = (_with_later(path, found[path].body, script, place) for path in paths)
    given = _given(script, found, place)
    exported = [f"export {{ {', '.join(given)} }};\n"] if given else []
    return "".join([*imported, *bodies, *exported])


def _given(script: str, found: Mapping[str, _Module], place: Mapping[str, str]) -> list[str]:
    """Return what others take from a script: those that import it, and who loads it later."""
    others = (module for path, module in found.items() if place[path] != script)
    names = {
        name
        for module in others
        for target, names in module.imports.items()
        if place.get(target) == script
        for name in names
    }
    for later in {path for module in found.values() for path in module.later}:
        if place[later] == script:
            names.update(found[later].exports)
    return sorted(names)


def _with_later(path: str, body: str, script: str, place: Mapping[str, str]) -> str:
    def loaded(match: re.Match[str]) -> str:
        return f'import("{_relative(script, place[_target(path, match[1])])}")'

    return _LATER.sub(loaded, body)


def _relative(script: str, target: str) -> str:
    found = posixpath.relpath(target, posixpath.dirname(script) or ".")
    return found if found.startswith(".") else f"./{found}"
