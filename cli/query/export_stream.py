"""Read an export to its end over any number of breaks: each event once, none left out."""

from collections.abc import Iterator
from typing import NamedTuple

from activity_client.backoff import Backoff
from cli.errors import ReadRefused
from cli.query.export_form import ExportForm
from cli.query.reader import MAX_PAUSE, NotNow, Parameters, ServiceReader

PATH = "/events/export"
NOW = "Activity-Now"
_MAX_ROW_BYTES = 64 * 1024 * 1024  # far more than the largest event takes


class Rows(NamedTuple):
    """Some whole rows. `events`: how many, without one that names the columns."""

    rows: list[bytes]
    events: int


def exported(reader: ServiceReader, asked: Parameters, form: ExportForm) -> Iterator[Rows]:
    """Yield all events that match, the oldest first. Raises `ReadError`, `BadQuestion`."""
    return _Download(reader, asked, form).rows()


class _Download:
    """Where a download is: `_place` has the parameters that make the next answer go on there."""

    def __init__(self, reader: ServiceReader, asked: Parameters, form: ExportForm) -> None:
        self._reader = reader
        self._asked = asked
        self._form = form
        self._place: dict[str, str] = {}
        self._needs_header = form.has_header

    def rows(self) -> Iterator[Rows]:
        """Yield the rows of answers, until one is whole."""
        backoff = Backoff(MAX_PAUSE)
        while True:
            try:
                for rows in self._answer():
                    yield rows
                    # Now and not before: whoever takes the rows may take minutes for them.
                    self._reader.progressed()
                    backoff = Backoff(MAX_PAUSE)
            except NotNow as why:
                self._reader.wait(backoff, why)
            else:
                return

    def _answer(self) -> Iterator[Rows]:
        """Yield the rows of one answer. Raises `NotNow` if it is not whole."""
        form = self._form
        begins_with_header = form.has_header and "cursor" not in self._place
        stream = self._reader.stream(PATH, [*self._asked, *form.parameters, *self._place.items()])
        if NOW in stream.headers:
            self._place.setdefault("now", stream.headers[NOW])
        rest = b""
        for piece in stream.pieces:
            rows, rest = form.split(rest + piece)
            if len(rest) > _MAX_ROW_BYTES:
                raise ReadRefused("a row of the answer is too large; is it an Activity Service?")
            if begins_with_header and rows:
                begins_with_header = False
                yield from self._header(rows.pop(0))
            if rows:
                self._place["cursor"] = form.id_of(rows[-1])
                yield Rows(form.shown(rows), len(rows))
        if rest or begins_with_header:
            raise NotNow("the answer ended within a row")

    def _header(self, row: bytes) -> Iterator[Rows]:
        """Yield the row of names the first time: an answer that begins anew has it again."""
        if self._needs_header:
            self._needs_header = False
            yield Rows(self._form.shown([row]), 0)
