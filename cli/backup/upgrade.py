"""Upgrade the data of an older major version of PostgreSQL, with pg_upgrade and both programs.

The new data are made beside the old ones, which stay as they are. The old data change their name
only when the new ones are whole.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.backup.old_programs import old_programs
from cli.backup.programs import run_to_end
from cli.backup.room import require_room, size_of
from cli.embedded import prepare_folder
from cli.embedded.binaries import Programs
from cli.embedded.folder import checked_folder
from cli.embedded.layout import (
    Layout,
    fresh_run_folder,
    is_plain,
    private_folder,
    remove_run_folder,
)
from cli.embedded.lock import folder_lock
from cli.embedded.major import major_of_data, major_of_program
from cli.embedded.postgres import NAME, initdb_options
from cli.embedded.servers import programs_for
from cli.embedded.unfinished import mark_of, remove_mark, unfinished
from cli.errors import UnfinishedFolder, UpgradeFailed
from cli.process.spawn import Account
from cli.safe_files import sync_folder

COMMAND = "upgrade"
_LOCK_SECONDS = 1.0
_WITHOUT_CHECKSUMS = "Data page checksum version:           0"


@dataclass(frozen=True)
class Upgraded:
    """The major versions before and after, and the folder with the data of before, if any."""

    before: int
    after: int
    kept: Path | None

    def summary(self) -> dict[str, Any]:
        """Return what the command says as JSON."""
        kept = str(self.kept) if self.kept else None
        return {"from": self.before, "to": self.after, "kept": kept}


def upgrade_cluster(data_dir: Path, programs: Path) -> Upgraded:
    """Upgrade the data of a folder that nothing uses. Main thread only.

    `programs`: where the programs of the older version are. Raises `UpgradeFailed`,
    `EmbeddedError`, `OSError`.
    """
    if not data_dir.exists():
        raise UpgradeFailed(f"there is no data folder {data_dir}")
    _require_data(Layout(checked_folder(data_dir)))
    layout, account = prepare_folder(data_dir)
    with folder_lock(layout.lock, _LOCK_SECONDS) as lock_fd:
        mark = mark_of(layout.root)
        if mark not in (None, COMMAND):
            raise UnfinishedFolder(f"`activity {mark}` was interrupted in {layout.root}: run it")
        new = programs_for(layout, account)
        return _Upgrade(layout, account, lock_fd, new).run(programs)


def _require_data(layout: Layout) -> None:
    """Raise `UpgradeFailed` if the folder is not ours: then nothing should be made in it."""
    if not layout.cluster.exists() and not _made(layout).exists():
        raise UpgradeFailed(f"there are no data of PostgreSQL in {layout.cluster}")


def _made(layout: Layout) -> Path:
    """Return where the new data are made."""
    return layout.root / "postgres.upgraded"


class _Upgrade:
    """The steps, for the holder of the folder's lock."""

    def __init__(
        self, layout: Layout, account: Account | None, lock_fd: int, new: Programs
    ) -> None:
        self._layout, self._account, self._lock_fd, self._new = layout, account, lock_fd, new
        self._made = _made(layout)
        self._to = major_of_program(new.postgres)

    def run(self, programs: Path) -> Upgraded:
        kept = self._kept_by_interrupted()
        if kept is not None:
            with unfinished(self._layout, COMMAND):
                self._take_place()
            return Upgraded(major_of_data(kept) or 0, self._to, kept)
        before = self._require_older()
        if before == self._to:
            with unfinished(self._layout, COMMAND):  # an interrupted run may have left its mark
                pass
            return Upgraded(before, self._to, None)
        kept = self._layout.root / f"postgres.{before}"
        if kept.exists():
            raise UpgradeFailed(f"{kept} exists, from an earlier upgrade: move it away")
        with old_programs(programs, before, self._layout, self._account) as old:
            self._require_plain_paths(old)
            require_room(self._layout.root, size_of(self._layout.cluster), UpgradeFailed)
            with unfinished(self._layout, COMMAND):
                return self._upgrade(before, old, kept)

    def _upgrade(self, before: int, old: Path, kept: Path) -> Upgraded:
        try:
            run = fresh_run_folder(self._layout, self._account)
            self._recover(old)
            self._make_new(old)
            self._pg_upgrade(old, run)
        except BaseException:  # the release of before can go on with its data
            shutil.rmtree(self._made, ignore_errors=True)
            remove_mark(self._layout)
            raise
        finally:
            remove_run_folder(self._layout)
        self._layout.cluster.rename(kept)
        self._take_place()
        return Upgraded(before, self._to, kept)

    def _kept_by_interrupted(self) -> Path | None:
        """Return the old data if a run was killed between its last two steps."""
        if self._layout.cluster.exists() or not self._made.exists():
            return None
        return next(iter(sorted(self._layout.root.glob("postgres.[0-9]*"))), None)

    def _require_older(self) -> int:
        found = major_of_data(self._layout.cluster)
        if found is None:
            raise UpgradeFailed(f"there are no data of PostgreSQL in {self._layout.cluster}")
        if found > self._to:
            raise UpgradeFailed(
                f"the data are of PostgreSQL {found}, which is later than the installed {self._to}"
            )
        return found

    def _recover(self, old: Path) -> None:
        """Let the old server replay its WAL, as after a kill, and shut down in order."""
        cluster = str(self._layout.cluster)
        self._run([str(old / "postgres"), "--single", "-D", cluster, "postgres"])

    def _make_new(self, old: Path) -> None:
        if self._made.exists():  # an interrupted run has left it
            shutil.rmtree(self._made)
        control = self._run([str(old / "pg_controldata"), str(self._layout.cluster)])
        more = ["--no-data-checksums"] if _WITHOUT_CHECKSUMS in control else []
        private_folder(self._made, self._account)
        self._run([str(self._new.initdb), *initdb_options(self._made), *more])

    def _require_plain_paths(self, old: Path) -> None:
        for each in (old, self._new.postgres.parent, self._layout.root):
            if not is_plain(each):
                raise UpgradeFailed(
                    f"pg_upgrade does not take the path {each}: move it to one without quotes, $ "
                    "and other characters with a meaning in a shell"
                )

    def _pg_upgrade(self, old: Path, run: Path) -> None:
        options = {
            "--old-bindir": old,
            "--new-bindir": self._new.postgres.parent,
            "--old-datadir": self._layout.cluster,
            "--new-datadir": self._made,
            "--username": NAME,
            "--socketdir": run,
        }
        arguments = [f"{name}={value}" for name, value in options.items()]
        self._run([str(self._new.postgres.with_name("pg_upgrade")), *arguments], cwd=run)

    def _take_place(self) -> None:
        self._made.rename(self._layout.cluster)
        sync_folder(self._layout.root)

    def _run(self, argv: Sequence[str], cwd: Path | None = None) -> str:
        ended = run_to_end(argv, self._account, cwd or self._layout.cluster, (self._lock_fd,))
        if ended.status:
            raise UpgradeFailed(
                f"{Path(argv[0]).name} failed; the data of before are unchanged in "
                f"{self._layout.cluster}. It says:\n{ended.said}"
            )
        return ended.said
