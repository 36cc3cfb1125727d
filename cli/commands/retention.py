"""`activity retention`: remove events past their age, or show what would be removed."""

import json
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from cli.commands.options import add_json, add_run
from cli.errors import CliError
from cli.exit_status import DONE, FAILED
from cli.parser import Parser
from cli.service_choice import urls_of_run
from cli.urls import storage_settings

if TYPE_CHECKING:
    import redis
    import sqlalchemy as sa

HELP = "remove events past ACTIVITY_RETENTION_DAYS or ACTIVITY_DISK_BUDGET, or show which"
EXAMPLES = (
    "activity retention show --data-dir .data",
    "activity retention run --dry-run",
    "activity retention run --yes --json",
)


def add(parser: Parser) -> None:
    """Describe the actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("show", help="show the settings, what is kept, and what a run would remove")
    run = actions.add_parser("run", help="remove now what is due, as workers do each minute")
    run.add_argument("--dry-run", action="store_true", help="remove nothing: show what is due")
    run.add_argument(
        "--yes",
        action="store_true",
        help="remove it also if more than 3 partitions or 10%% of the rows are due",
    )
    run.exclude("--yes", "--dry-run")
    for action in actions.choices.values():
        add_json(action)
        add_run(action)


def run(options: Namespace) -> int:
    """Run the action. Returns 1 if a run left something that is due.

    Raises CliError, DatabaseUnavailable, ControlUnavailable.
    """
    # Imported here: `--help` should not wait for SQLAlchemy and redis.
    from cli.retention import report
    from storage.postgres.engine import transaction
    from storage.retention.plan import make_plan
    from storage.retention.state import read_state
    from worker.retention import policy_of
    from worker.settings import WorkerSettings

    policy = policy_of(WorkerSettings())
    with _opened(options.data_dir) as (engine, control):
        if options.action == "run" and not options.dry_run:
            with transaction(engine) as connection:
                policy = read_state(connection).policy_for(policy)
            return _run(engine, control, policy, options)
        with transaction(engine) as connection:
            state = read_state(connection)
            policy = state.policy_for(policy)
            plan = make_plan(connection, policy)
    document = report.of_plan(policy, state, plan)
    print(json.dumps(document) if options.json else report.text(document))
    return DONE


@contextmanager
def _opened(data_dir: str | None) -> Iterator[tuple["sa.Engine", "redis.Redis"]]:
    from storage.postgres.engine import plain_engine
    from storage.redis.client import connect

    settings = storage_settings(urls_of_run(data_dir))
    engine = plain_engine(settings.database_url, pool=2)
    try:
        with closing(connect(settings.control_url)) as control:
            yield engine, control
    finally:
        engine.dispose()


def _run(engine: Any, control: Any, policy: Any, options: Namespace) -> int:
    from cli.retention import report
    from storage.retention.run import run_retention

    done = run_retention(engine, control, policy, is_confirmed=options.yes)
    if done is None:
        raise CliError("another process runs retention now, or erases a person: try again")
    document = report.of_run(done)
    print(json.dumps(document) if options.json else report.run_text(document))
    if not done.left:
        done.require_done()
    return FAILED if done.left else DONE
