"""Which data folder is meant when none is named."""

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
    """The folder named by an option or `ACTIVITY_DATA_DIR`, else `.data` below the current one.

    For root the default may be out of reach of the user that the servers run as (a checkout
    below a home that is closed to others), or another user could put something else in its place
    (a checkout that is not root's): then one below /var/lib stands in, the same for every call
    from here. A folder that was named is never replaced, nor one that is there already.
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
        return f"{folder} is out of the servers' reach"
    if os.geteuid() == 0 and not os.path.lexists(folder) and (weak := weak_part(folder)):
        return f"another user could replace {folder}: {weak}"
    return None


def _within_reach(folder: Path) -> bool:
    account = server_account(Layout(folder).cluster)
    return account is None or first_closed_folder(account, folder) is None


def _fingerprint(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
