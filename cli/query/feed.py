"""Read the feed of stored events, from a token on: each event once, none left out."""

import msgspec

from cli.query.reader import Parameters, ServiceReader

PATH = "/events/changes"
START = "start"
_WAIT_SECONDS = 30  # shorter than the time limit of an answer


class Changes(msgspec.Struct):
    """Events, and the token behind them. `behind`: batches of which some may be left, 0 for none.

    There may be no events and still some left.
    """

    events: list[msgspec.Raw]
    next: str
    behind: int


_read = msgspec.json.Decoder(Changes).decode


def now(reader: ServiceReader, asked: Parameters) -> str:
    """Return the token behind everything that is stored."""
    return _read(reader.get(PATH, asked).body).next


def after(reader: ServiceReader, asked: Parameters, token: str, wait: bool) -> Changes:
    """Return the next events; with `wait` only once there are some, or after a while."""
    seconds = str(_WAIT_SECONDS if wait else 0)
    return _read(reader.get(PATH, [*asked, ("after", token), ("wait", seconds)]).body)
