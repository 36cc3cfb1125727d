"""The page of the explorer: which files it loads, and what the browser may do in it."""

import hashlib
from functools import lru_cache
from html import escape
from string import Template
from typing import NamedTuple

from api.explorer.assets import STATIC, STYLES, Assets, compressed

FOLDER = "explorer"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_MODULES = "<!-- modules -->"  # where the page names them; a comment, so that it is valid HTML
_MAX_ROOTS = 64  # a trusted proxy may name any prefix


class Page(NamedTuple):
    """The page as it is served below one path."""

    etag: bytes
    content: bytes
    gzipped: bytes | None


class Pages:
    """The page below each path where a proxy publishes the service."""

    def __init__(self, assets: Assets, version: str) -> None:
        self._assets = assets
        self._version = version
        self._template = Template((STATIC / "index.html").read_text())
        self.below = lru_cache(_MAX_ROOTS)(self._below)

    def _below(self, root: str) -> Page:
        """Return the page for the path `root`; empty if it is not known, then links are relative.

        Relative links lead to the right place from `/` and `/api`, and from the path of a proxy if
        it ends with a slash.
        """
        here = escape(f"{root}/" if root else "")
        folder = f"{here}{FOLDER}/{self._assets.version}/"
        preloads = "\n    ".join(
            f'<link rel="modulepreload" href="{folder}{escape(path)}" />'
            for path in self._assets.modules
        )
        text = self._template.substitute(
            root=here, folder=folder, styles=STYLES, version=escape(self._version)
        ).replace(_MODULES, preloads)
        content = text.encode()
        etag = b'"%b"' % hashlib.sha256(content).hexdigest()[:16].encode()
        return Page(etag, content, compressed(content))
