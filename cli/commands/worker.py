"""`activity worker`: run worker processes with servers that already run."""

from argparse import ArgumentParser, Namespace

from cli.commands.options import add_run
from cli.health.supervisor_folder import supervisor_folder
from cli.health.worker_states import supervises
from cli.process.background import background
from cli.process.commands import WORKER_STOP_SECONDS, worker_processes
from cli.process.keep_alive import keep_alive
from cli.process.probe_server import probe_server
from cli.process.slots import slot_pool
from cli.process.supervisor import Supervisor, with_slots
from cli.service_choice import urls_of_run, warn_if_unreachable
from cli.settings import load_settings
from storage.metrics.process import own

HELP = "run worker processes with servers that already run"
EXAMPLES = (
    "activity worker --processes 4",
    "activity worker --processes 2 --data-dir .data  # beside a running `activity up`",
)


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    parser.add_argument(
        "--processes", metavar="N", help="number of worker processes (ACTIVITY_WORKERS, default 2)"
    )
    add_run(parser)


def run(options: Namespace) -> int:
    """Work until SIGINT or SIGTERM."""
    settings = load_settings({"workers": options.processes})
    urls = urls_of_run(options.data_dir)
    warn_if_unreachable(urls, "control_url")
    with (
        background(urls),
        supervisor_folder() as folder,
        slot_pool(folder) as slots,
        probe_server(settings.probe_host, settings.probe_port),
    ):
        own.report(supervises(settings.workers))
        workers = with_slots(worker_processes(settings.workers, urls), slots)
        keep_alive(Supervisor(workers), WORKER_STOP_SECONDS, options.data_dir)
    return 0
