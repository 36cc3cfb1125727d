"""`activity health`: check one process, cheaply enough for a probe every few seconds."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

from cli.commands.options import add_data_dir, add_json, add_tls_ca
from cli.errors import NothingRuns, UsageError
from cli.health import probes
from cli.health.probe_settings import setting
from cli.health.worker_states import Health
from cli.parser import Parser

HELP = "check one process; exit 0 if it is healthy, else exit 1 and say why in one line"
EXAMPLES = (
    "activity health api  # can events be accepted?",
    "activity health query --data-dir .data",
    "activity health worker --json",
)

_STATE_FILE = "state.json"  # as in `cli.embedded.layout`, whose import is slow
_PATHS = {"api": "/health/ready", "query": "/health/ready?for=query"}
_LIVE = "/health"


def add(parser: Parser) -> None:
    """Describe the options."""
    parser.add_argument(
        "what",
        choices=("api", "query", "worker"),
        metavar="api|query|worker",
        help="api: can events be accepted? query: can history be read? worker: do all worker "
        "processes of this user on this machine make progress?",
    )
    parser.add_argument(
        "--live", action="store_true", help="check only that the API answers (with api)"
    )
    parser.add_argument("--host", help="address of the API (ACTIVITY_HOST, default 127.0.0.1)")
    parser.add_argument(
        "--port", metavar="N", help="TCP port of the API (ACTIVITY_PORT, default 5000)"
    )
    add_data_dir(
        parser,
        "check the `activity up` on this data folder (ACTIVITY_DATA_DIR, default: the API at "
        "--host and --port, or all workers)",
    )
    add_tls_ca(parser)
    add_json(parser)
    parser.exclude("worker", "--host", "--port", "--tls-ca")
    parser.exclude("--data-dir", "--host", "--port")


def run(options: Namespace) -> int:
    """Print the result. Returns 0 if the process is healthy."""
    if options.live and options.what != "api":
        raise UsageError(f"--live is for api; leave it out to check {options.what}")
    found = _check(options)
    print(_as_json(options.what, found) if options.json else f"{options.what}: {found.detail}")
    return 0 if found.healthy else 1


def _check(options: Namespace) -> Health:
    try:
        if options.what == "worker":
            return probes.worker_health(_supervisor(options))
        path = _LIVE if options.live else _PATHS[options.what]
        found = probes.api_health(_address(options), path)
        if found.healthy or options.port or _data_dir(options):
            return found
        return Health(False, f"{found.detail}; choose another with --data-dir or --port")
    except NothingRuns as error:
        return Health(False, str(error))


def _as_json(what: str, found: Health) -> str:
    return json.dumps({"what": what, "healthy": found.healthy, "detail": found.detail})


def _address(options: Namespace) -> probes.Address:
    data_dir = _data_dir(options)
    ca = options.tls_ca or setting("tls_ca", "") or None
    if data_dir and not (options.host or options.port):
        return probes.address_of(_state(data_dir)["url"], ca)
    port = options.port or setting("port", "5000")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"--port (ACTIVITY_PORT): {port!r} is not a port number from 1 to 65535")
    https = bool(options.tls_ca or setting("tls_cert", ""))
    return probes.Address(options.host or setting("host", "127.0.0.1"), int(port), https, ca)


def _supervisor(options: Namespace) -> int | None:
    data_dir = _data_dir(options)
    if not data_dir:
        return None
    processes = _state(data_dir)["processes"]
    return next((one["pid"] for one in processes if one["role"] == "supervisor"), None)


def _data_dir(options: Namespace) -> str:
    return options.data_dir or setting("data_dir", "")


def _state(data_dir: str) -> dict[str, Any]:
    """Read the state file of the run. After a kill it is still there, but nobody answers."""
    path = Path(data_dir).expanduser() / _STATE_FILE
    try:
        state: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise NothingRuns(f"nothing runs on the data folder {data_dir}: {error}") from None
    return state
