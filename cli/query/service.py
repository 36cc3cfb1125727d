"""Which service a command reads from: an address, or the run on a data folder.

An option comes before every variable, and an address before a folder.
"""

import ssl
from argparse import Namespace
from dataclasses import dataclass
from urllib.parse import urlsplit

from activity_client.credentials import Credentials
from activity_client.errors import BadCaFile, BadUrl
from activity_client.transport import service_address, trust
from cli import state, tls_trust
from cli.credentials import credentials
from cli.embedded.folder import checked_folder
from cli.errors import UsageError
from cli.service_request import reachable
from cli.settings import CliSettings, load_settings


@dataclass(frozen=True)
class Service:
    """The base URL of a service, the API key to ask with, and the certificates to trust.

    `tls`: None trusts those of the system.
    """

    url: str
    credentials: Credentials
    tls: ssl.SSLContext | None


def chosen_service(options: Namespace) -> Service:
    """Return the service that `--url`, `--data-dir` or the settings name.

    Raises `UsageError`, and for a folder `NothingRuns`, `FolderError`.
    """
    if options.url is not None and options.data_dir is not None:
        raise UsageError("--url and --data-dir both name a service: give one of them")
    given = {"url": options.url, "data_dir": options.data_dir, "tls_ca": options.tls_ca}
    settings = load_settings(given)
    if _is_run(options, settings):
        return _of_run(settings)
    try:
        return Service(service_address(settings.url), credentials(settings), trust(settings.tls_ca))
    except BadUrl as error:
        raise UsageError(f"--url (ACTIVITY_URL): {error}") from None
    except BadCaFile as error:
        raise UsageError(f"--tls-ca (ACTIVITY_TLS_CA): {error}") from None


def _is_run(options: Namespace, settings: CliSettings) -> bool:
    if options.data_dir is not None or options.url is not None:
        return options.data_dir is not None
    return "data_dir" in settings.model_fields_set and "url" not in settings.model_fields_set


def _of_run(settings: CliSettings) -> Service:
    address = urlsplit(state.running(checked_folder(settings.data_dir)).url)
    host = address.hostname or ""
    tls = tls_trust.trust(settings.tls_ca, host) if address.scheme == "https" else None
    asked = reachable(host)
    shown = f"[{asked}]" if ":" in asked else asked
    url = f"{address.scheme}://{shown}:{address.port}"
    return Service(url, credentials(settings), tls)
