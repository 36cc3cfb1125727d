"""`activity api`: API processes with servers that run elsewhere."""

from argparse import ArgumentParser, Namespace

from cli import listener as listening
from cli.commands.options import add_address, add_run
from cli.programs import API_STOP_SECONDS, api_processes
from cli.running import keep_alive, tell_where_servers_are, urls_of_run
from cli.settings import load_settings
from cli.supervisor import Supervisor

HELP = "run API processes, with the servers that ACTIVITY_*_URL names"
EXAMPLES = (
    "activity api  # with the servers that ACTIVITY_QUEUE_URL and so on name",
    "activity api --data-dir .data --port 5001  # beside a running `activity up`",
)


def add(parser: ArgumentParser) -> None:
    """Describe the options."""
    add_address(parser)
    parser.add_argument(
        "--processes", metavar="N", help="API processes (ACTIVITY_API_PROCESSES, 1)"
    )
    add_run(parser)


def run(options: Namespace) -> int:
    """Serve until SIGINT or SIGTERM."""
    settings = load_settings(
        {"host": options.host, "port": options.port, "api_processes": options.processes}
    )
    urls = urls_of_run(options.data_dir)
    with listening.listen(settings.host, settings.port) as listener:
        url = listening.url(settings.host, listening.port_of(listener))
        print(f"listening: {url}", flush=True)
        tell_where_servers_are(urls, "queue_url")
        processes = api_processes(settings.api_processes, listener.fileno(), urls)
        keep_alive(Supervisor(processes), API_STOP_SECONDS, options.data_dir)
    return 0
