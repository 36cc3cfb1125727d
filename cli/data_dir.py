"""Choose the data folder of `activity up` and `activity status`."""

import hashlib
import logging
import os
from pathlib import Path

from cli.embedded.account import first_closed_folder, server_account
from cli.embedded.folder import absolute_folder
from cli.embedded.layout import Layout
from cli.embedded.trust import weak_part
from cli.settings import CliSettings

log = logging.getLogger(__name__)

SYSTEM_FOLDER = Path("/var/lib/activity-service")


def data_folder(settings: CliSettings) -> Path:
    """Return the folder of an option or `ACTIVITY_DATA_DIR`, else `.data` in the current folder.

    For root the default may be unusable: the servers' user can't reach it (a checkout in a closed
    home), or another user could replace it (a checkout of somebody else). Then a folder below
    /var/lib replaces it, always the same one for the same current folder. A folder that was named
    or that exists already is never replaced.
    """
    chosen = absolute_folder(settings.data_dir)
    if "data_dir" in settings.model_fields_set:
        return chosen
    reason = _unsuitable(chosen)
    if reason is None:
        return chosen
    stand_in = SYSTEM_FOLDER / _fingerprint(chosen.parent)
    log.warning("data folder: %s (%s)", stand_in, reason)
    return stand_in


def _unsuitable(folder: Path) -> str | None:
    if not _within_reach(folder):
        return f"{folder} can't be reached by the servers' user"
    if os.geteuid() == 0 and not os.path.lexists(folder) and (weak := weak_part(folder)):
        return f"another user could replace {folder}: {weak}"
    return None


def _within_reach(folder: Path) -> bool:
    account = server_account(Layout(folder).cluster)
    return account is None or first_closed_folder(account, folder) is None


def _fingerprint(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
