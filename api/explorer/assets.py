"""The files of the explorer as they are served: in one folder whose name is a hash of all of them.

The folder's name changes with any file, so browsers keep the files for a year. Our own modules
are few scripts (`api/explorer/bundle.py`), without comments and indentation. A style sheet that a
module names is loaded with a part that is opened later; all others are one. The names of the
vendored packages are replaced by relative paths, and a script that is no module gets an export.
"""

import gzip
import hashlib
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from api.explorer.bundle import bundled

STATIC = Path(__file__).with_name("static")
VENDOR = "vendor"
STYLES = "styles.css"  # all style sheets that the page needs at once, in one
ICON = "icon.svg"
SCRIPT = "app.js"  # the module that imports all others, and as it is served: those needed at once

# How the explorer's modules, and the vendored ones, name a vendored module.
PACKAGES: Mapping[str, str] = {
    "preact": f"{VENDOR}/preact.mjs",
    "preact/hooks": f"{VENDOR}/hooks.mjs",
    "htm": f"{VENDOR}/htm.mjs",
    "uplot": f"{VENDOR}/uplot.js",
}
_SCRIPTS = {f"{VENDOR}/uplot.js": "uPlot"}  # which variable a script defines that is no module
_MEDIA_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".svg": "image/svg+xml"}
_CSS = ".css"
_COMMENT = re.compile(r"^[ \t]*(?:/\*(?:[^*]|\*(?!/))*\*/|//[^\n]*)[ \t]*\n", re.MULTILINE)
_INDENT = re.compile(r"\n\s*")
_NAMED_STYLES = re.compile(r'"([\w/]+\.css)"')
_STYLE_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CAST = re.compile(r"/\*\* @type (?:[^*]|\*(?!/))*\*/ ?")
_SPECIFIER = re.compile(rf'\b(from|import)(\s*)"({"|".join(map(re.escape, PACKAGES))})"')
_BASE_STYLES = ("vendor/", "styles/")  # first, so that the style sheet of a panel wins
_VERSION_CHARACTERS = 16
_SMALL_BYTES = 512  # gzip gains nothing


class Asset(NamedTuple):
    """A file as it is served. `gzipped`: None for one that compression does not make smaller."""

    media_type: str
    content: bytes
    gzipped: bytes | None


class Assets:
    """The files of the explorer, by their path in the folder `version`."""

    def __init__(self, root: Path = STATIC) -> None:
        served = dict(_served(root))
        self.version = _version_of(served)
        self.files: Mapping[str, Asset] = {
            path: Asset(media_type, content, compressed(content))
            for path, (media_type, content) in served.items()
        }

    @property
    def modules(self) -> list[str]:
        """Return the paths of the modules that the page needs at once."""
        return [
            path
            for path in self.files
            if path == SCRIPT or path.startswith(tuple(PACKAGES.values()))
        ]


def compressed(content: bytes) -> bytes | None:
    """Return the content in gzip, the same for the same content; None if it is not smaller."""
    if len(content) < _SMALL_BYTES:
        return None
    return gzip.compress(content, 9, mtime=0)


def _served(root: Path) -> Iterator[tuple[str, tuple[str, bytes]]]:
    found = (file for file in sorted(root.rglob("*")) if file.is_file())
    paths = {file.relative_to(root).as_posix(): file for file in found}
    scripts = _in_few_scripts(paths)
    for path, text in scripts.items():
        yield path, (_MEDIA_TYPES[posixpath.splitext(path)[1]], text.encode())
    styles = {path: _style(file) for path, file in paths.items() if file.suffix == _CSS}
    later = {name for text in scripts.values() for name in _NAMED_STYLES.findall(text)}
    for path in later:
        yield path, ("text/css", styles[path].encode())
    joined = "".join(styles[path] for path in _in_order(styles.keys() - later))
    yield STYLES, ("text/css", joined.encode())


def without_comments(text: str) -> str:
    """Return a module of ours without types and without comments that have lines of their own."""
    return _CAST.sub("", _COMMENT.sub("", text))


def without_indentation(text: str) -> str:
    """Return a text whose lines have no space before them; the templates of ours mean the same."""
    return _INDENT.sub("\n", text).lstrip()


def _style(file: Path) -> str:
    return without_indentation(_STYLE_COMMENT.sub("", file.read_text()))


def _in_few_scripts(paths: Mapping[str, Path]) -> dict[str, str]:
    """Return the contents of files that are no style sheets, with our own modules in few."""
    found = {
        path: _content(path, file.read_text())
        for path, file in paths.items()
        if file.suffix in _MEDIA_TYPES
    }
    own = {
        path: text
        for path, text in found.items()
        if path.endswith(".js") and not path.startswith(f"{VENDOR}/")
    }
    if SCRIPT not in own:
        return found
    scripts, inside = bundled(own, SCRIPT)
    return {path: text for path, text in found.items() if path not in inside} | {
        path: without_indentation(text) for path, text in scripts.items()
    }


def _content(path: str, text: str) -> str:
    if name := _SCRIPTS.get(path):
        return f"{text}\nexport default {name};\n"
    if not path.startswith(f"{VENDOR}/") and path.endswith(".js"):
        text = without_comments(text)
    folder = posixpath.dirname(path)

    def relative(match: re.Match[str]) -> str:
        target = posixpath.relpath(PACKAGES[match[3]], folder or ".")
        return f'{match[1]}{match[2]}"{target if target[0] == "." else "./" + target}"'

    return _SPECIFIER.sub(relative, text)


def _in_order(styles: Iterable[str]) -> list[str]:
    def rank(path: str) -> tuple[int, str]:
        first = (n for n, folder in enumerate(_BASE_STYLES) if path.startswith(folder))
        return next(first, len(_BASE_STYLES)), path

    return sorted(styles, key=rank)


def _version_of(served: Mapping[str, tuple[str, bytes]]) -> str:
    found = hashlib.sha256()
    for path, (_, content) in sorted(served.items()):
        found.update(b"%b\0%d\0%b" % (path.encode(), len(content), content))
    return found.hexdigest()[:_VERSION_CHARACTERS]
