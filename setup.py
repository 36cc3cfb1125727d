"""Make the list of dependencies, which pyproject.toml alone cannot: it cannot name a folder.

The client is in no package index, so its name alone would fail, or install a stranger's package.
See docs/decisions/0013-two-distributions.md.
"""

import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
CLIENT = f"activity-service-client @ {(ROOT / 'client').as_uri()}"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())

setup(install_requires=[*SETTINGS["tool"]["activity-service"]["dependencies"], CLIENT])
