"""What PostgreSQL tells of itself; each fact is read once, when it is needed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path

from cli.doctor.address import is_local_database, names_several_hosts, psql_command
from cli.doctor.errors import NotKnown
from cli.doctor.server import Server
from storage.access.key_records import KeyRecords
from storage.access.key_table import KeyTable
from storage.erasure import records
from storage.erasure.records import Erasure
from storage.events.hour_counts import read_differing
from storage.events.ledger import Ledger, read_ledger
from storage.host_list import each_host
from storage.postgres.engine import transaction
from storage.postgres.inspection import (
    Connections,
    DatabaseInspection,
    DeadRows,
    InvalidIndex,
    LongTransactions,
    Standbys,
)
from storage.postgres.partitions import Span
from storage.postgres.standby import problem_of
from storage.postgres.wal import written_if_known
from storage.retention.state import RetentionState, read_state
from storage.settings import StorageSettings


class DatabaseFacts(Server):
    """Facts of the database. Every fact raises `NotKnown`."""

    def __init__(self, settings: StorageSettings) -> None:
        super().__init__("PostgreSQL")
        self._url = settings.database_url
        self._read_url = settings.read_url
        self._inspection = DatabaseInspection(settings.database_url)

    def ping(self) -> None:
        """Check that it answers."""
        self.time()

    def close(self) -> None:
        """Close the connection."""
        self._inspection.close()

    def command(self, statement: str) -> str:
        """Return the command line that runs this statement."""
        return psql_command(self._url, statement)

    def setting(self, name: str) -> str:
        """Return one setting, as sessions of this user have it."""
        found = self.ask(lambda: self._inspection.settings(name))
        if name not in found:
            raise NotKnown(
                f"PostgreSQL does not show {name} to this user: grant the role pg_read_all_settings"
            )
        return found[name]

    def time(self) -> float:
        """Return its clock."""
        return self.ask(self._inspection.time)

    @property
    def folder(self) -> Path:
        """Return the folder of its data, on this machine."""
        if not is_local_database(self._url):
            raise NotKnown("PostgreSQL runs on another machine, or in a container")
        return Path(self.setting("data_directory"))

    @cached_property
    def revision(self) -> str | None:
        """Return the migration that the database is at, None before the first."""
        return self.ask(self._inspection.revision)

    @cached_property
    def spans(self) -> list[Span]:
        """Return the spans of the partitions, in order."""
        return self.ask(self._inspection.spans)

    def differing_counts(self, hour: datetime) -> int | None:
        """Return how many counts of the hour's minutes are wrong, None if it is not counted yet."""
        return self.ask(lambda: read_differing(self._inspection.engine, hour))

    def name_taken(self, instants: Sequence[datetime], unit: str) -> str | None:
        """Return the remedy if another table has the name of the partition of an instant."""
        return self.ask(lambda: self._inspection.name_taken(instants, unit))

    @cached_property
    def connections(self) -> Connections:
        """Return the numbers of open connections."""
        return self.ask(self._inspection.connections)

    @cached_property
    def invalid_indexes(self) -> Sequence[InvalidIndex]:
        """Return the invalid indexes of our tables."""
        return self.ask(self._inspection.invalid_indexes)

    def long_transactions(self, seconds: float) -> LongTransactions:
        """Return the transactions that are open for longer."""
        return self.ask(lambda: self._inspection.long_transactions(seconds))

    @cached_property
    def dead_rows(self) -> Sequence[DeadRows]:
        """Return the dead rows of each of our tables, the most first."""
        return self.ask(self._inspection.dead_rows)

    @property
    def has_several_hosts(self) -> bool:
        """Return whether the address names more than one server."""
        return names_several_hosts(self._url)

    @cached_property
    def standbys(self) -> Standbys:
        """Return the numbers of standbys that are connected."""
        return self.ask(self._inspection.standbys)

    @cached_property
    def read_standbys(self) -> Mapping[str, str | None]:
        """Return what keeps readers from each standby of `ACTIVITY_READ_URL`; None: nothing."""
        self.ping()
        if not self._read_url:
            return {}
        primary = written_if_known(self._inspection.engine)
        if primary is None:
            raise NotKnown("PostgreSQL does not tell how far its log is written")
        return {name: problem_of(url, primary) for name, url in each_host(self._read_url)}

    @cached_property
    def frozen_age(self) -> int:
        """Return how many transactions ago the oldest rows were written."""
        return self.ask(self._inspection.frozen_age)

    @cached_property
    def keys(self) -> KeyRecords:
        """Return the API keys that this home has."""
        return self.ask(lambda: KeyTable(self._inspection.engine).load())

    @cached_property
    def retention(self) -> RetentionState:
        """Return what runs of retention have found and removed."""

        def read() -> RetentionState:
            with transaction(self._inspection.engine) as connection:
                return read_state(connection)

        return self.ask(read)

    @cached_property
    def erasures(self) -> Sequence[Erasure]:
        """Return the erasures that are not done, the oldest first."""

        def read() -> Sequence[Erasure]:
            with transaction(self._inspection.engine) as connection:
                return records.unfinished(connection)

        return self.ask(read)

    @cached_property
    def ledger(self) -> Ledger:
        """Return the accounts and the number of dead letters."""
        return self.read_ledger()

    def read_ledger(self) -> Ledger:
        """Read the accounts again."""
        return self.ask(lambda: read_ledger(self._inspection.engine))
