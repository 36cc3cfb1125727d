"""Fetch the packages that the explorer has a copy of, and write down their hashes.

`make vendor` fetches the versions that `HASHES` names, so that `git diff` shows whether the copies
are what npm has. `make vendor PACKAGES="preact@11.3.0"` fetches another version.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from api.explorer.assets import STATIC, VENDOR

FOLDER = STATIC / VENDOR
HASHES = FOLDER / "HASHES"


class Vendored(NamedTuple):
    """A line of `HASHES`: a file, and where in which version of a package it comes from."""

    sha256: str
    file: str
    package: str
    version: str
    source: str

    @property
    def line(self) -> str:
        """Return the line, without its end."""
        return f"{self.sha256}  {self.file}  {self.package}@{self.version}  {self.source}"


def vendored() -> list[Vendored]:
    """Return the lines of `HASHES`."""
    found = []
    for line in HASHES.read_text().splitlines():
        sha256, file, origin, source = line.split()
        package, version = origin.rsplit("@", 1)
        found.append(Vendored(sha256, file, package, version, source))
    return found


def sha256_of(file: Path) -> str:
    """Return the hash of a file, as `sha256sum` shows it."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main(packages: list[str]) -> None:
    """Fetch each package in the version that is asked for, or else in that of `HASHES`."""
    asked = dict(package.rsplit("@", 1) for package in packages)
    known = vendored()
    if unknown := asked.keys() - {each.package for each in known}:
        sys.exit(f"{HASHES} has no file of {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        lines = [_fetch(each, asked.get(each.package, each.version), folder) for each in known]
    HASHES.write_text("".join(f"{each.line}\n" for each in lines))


def _fetch(wanted: Vendored, version: str, folder: str) -> Vendored:
    archive = Path(folder) / f"{wanted.package}-{version}.tgz"
    if not archive.exists():
        pack = ["npm", "pack", "--silent", f"{wanted.package}@{version}"]
        subprocess.run(pack, cwd=folder, check=True)
    with tarfile.open(archive) as packed:
        content = packed.extractfile(f"package/{wanted.source}")
        assert content is not None, wanted.source
        file = FOLDER / wanted.file
        file.write_bytes(content.read())
    return wanted._replace(version=version, sha256=sha256_of(file))


if __name__ == "__main__":
    main(sys.argv[1:])
