"""From the query string of `GET /events/stats` to a question, or to every fault in it at once."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from api.http.error_detail import ErrorDetail
from api.query.clock import Clock, this_minute
from api.query.data_params import DATA_PATH
from api.query.fresh import FRESH, take_fresh
from api.query.pairs import InvalidQuery, decoded_pairs, fault, quoted
from api.query.params import filters_of
from api.query.statistics import places
from api.query.statistics.zones import zone_of
from storage.model.filters import PARAMETERS, canonical
from storage.model.json_rules import MAX_JSON_DEPTH
from storage.model.name_limits import NameLimits
from storage.model.suggestion import did_you_mean
from storage.statistics.bars import INTERVALS, MAX_BARS, Interval
from storage.statistics.question import Group, Question, without_times
from storage.statistics.reader import Place, Scale
from storage.statistics.tally import MAX_NAMED

T = TypeVar("T")

_OF_PAGES = ("limit", "order", "cursor")
FILTERS = [each for each in PARAMETERS if each.name not in _OF_PAGES]
"""The parameters of `GET /events` that say which events are counted."""

_INTERVALS = (*INTERVALS, "auto")
_GROUPS = ("component", "environment", "email")
_NEVER_COUNTED = ("message", "id", "created_at", "occurred_at", "data")
_MAX_GROUP = 1000  # characters
_is_key = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*").fullmatch

OWN = {
    "interval": "The length of a bar: `minute`, `hour`, `day`, `week` (from Monday), or `auto`, "
    f"which chooses one for a chart. At most {MAX_BARS:,} bars. The default is `auto`.",
    "tz": "The time zone of hours, days and weeks, by its IANA name, as `Europe/Berlin`. The "
    "default is `UTC`.",
    "group_by": "Counts each value of `component`, `environment`, `email` or `data.<path>` too: "
    f"the {MAX_NAMED} most frequent by name, the rest as `other`, and `missing` without a value.",
    "next": "Continues the answer that returned it as `next`, with all other parameters the same. "
    "Add the counts of equal bars.",
}
"""The other parameters, with their descriptions in Markdown."""

KNOWN = [*(each.name for each in FILTERS), *OWN, FRESH.name]


@dataclass(frozen=True, slots=True)
class StatsQuestion:
    """What is counted, in which bars, and where an earlier answer ended.

    `key` is equal for questions whose answers add up. `minute`: at which relative dates are read.
    `fresh`: count only once all that was accepted before is stored.
    """

    question: Question
    scale: Scale
    place: Place | None
    key: bytes
    minute: int
    fresh: bool


def parse_stats(query_string: bytes, limits: NameLimits | None = None) -> StatsQuestion:
    """Return the question of a raw query string. Raises `InvalidQuery`, and nothing else.

    Relative dates are read at the minute of `next`, so that they mean what they meant when it was
    given. `limits`: those of the client, which narrow what is counted.
    """
    faults: list[ErrorDetail] = []
    fresh, pairs = take_fresh(decoded_pairs(query_string, faults), faults)
    own = {name: [value.strip() for known, value in pairs if known == name] for name in OWN}
    interval = one_of(own, "interval", _interval, faults) or "auto"
    zone = one_of(own, "tz", zone_of, faults) or ZoneInfo("UTC")
    group = one_of(own, "group_by", group_of, faults)
    of_filters = [pair for pair in pairs if pair[0] not in OWN]
    minute = _minute(own["next"])
    filters = filters_of(of_filters, faults, Clock(minute), KNOWN)
    question = Question(limits.narrow(filters) if limits else filters, group, limits)
    key = _key(question, interval, zone)
    place = one_of(own, "next", lambda text: places.decode(text, minute, key), faults)
    if faults:
        raise InvalidQuery(faults)
    return StatsQuestion(question, Scale(interval, zone), place, key, minute, fresh)


def group_of(text: str, also: str = "", several: str = "one field is counted at a time") -> Group:
    """Return the field of that name. Raises ValueError.

    `also`: what else the parameter takes. `several`: what to do for more than one field.
    """
    match text:
        case "component" | "environment" | "email":
            return text
    if not text.startswith(DATA_PATH):
        hint = _hint(text, several)
        raise ValueError(f"must be component, environment, email or data.<path>{also}{hint}")
    if len(text) > _MAX_GROUP:
        raise ValueError(f"is longer than {_MAX_GROUP:,} characters")
    path = tuple(text.removeprefix(DATA_PATH).split("."))
    if "" in path:
        raise ValueError("has an empty key in its path")
    if len(path) > MAX_JSON_DEPTH:
        raise ValueError(f"is nested deeper than {MAX_JSON_DEPTH} levels")
    return path


def _hint(text: str, several: str) -> str:
    if "," in text:
        return f"; {several}"
    near = did_you_mean(text.lower(), _GROUPS)
    if near or not _is_key(text) or text in _NEVER_COUNTED:
        return near
    return f"; a value in data is named data.{quoted(text)}"


def _minute(given: Sequence[str]) -> int:
    """Return the minute of the place that is given, else this one."""
    told = (places.minute_of(text) for text in given)
    return next((minute for minute in told if minute is not None), this_minute())


def _interval(text: str) -> Interval | Literal["auto"]:
    found = text.lower()
    if found == "auto":
        return "auto"
    interval: Interval | None = next((each for each in INTERVALS if each == found), None)
    if interval is None:
        hint = did_you_mean(found, _INTERVALS)
        raise ValueError(f"must be minute, hour, day, week or auto{hint}")
    return interval


def one_of(
    values: Mapping[str, Sequence[str]],
    name: str,
    parse: Callable[[str], T],
    faults: list[ErrorDetail],
) -> T | None:
    """Return the one value of that name, None if it is blank, absent or wrong."""
    given = [text for text in dict.fromkeys(values[name]) if text]
    if len(given) > 1:
        faults.append(fault(name, "is given more than once, with different values"))
    elif given:
        try:
            return parse(given[0])
        except ValueError as error:
            faults.append(fault(name, str(error)))
    return None


def _key(question: Question, interval: str, zone: ZoneInfo) -> bytes:
    """Return what tells questions apart; not by the window, which a place has."""
    filters, limits = canonical(without_times(question.filters)), question.limits
    rest: list[Any] = [interval, zone.key, question.group, limits and limits.digest]
    return filters + json.dumps(rest).encode()
