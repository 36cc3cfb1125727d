"""The SELECTs of the feed. Builds SQL, runs nothing.

A read walks over a bounded number of rows in the feed's order, and returns those that match. It
also returns the last row of a walk that may go on, matching or not, so that the next read begins
behind it.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from storage.events.conditions import IN_ORDER, in_order, matching
from storage.events.queries import EVENT_COLUMNS
from storage.feed.position import Part
from storage.model.filters import Filters
from storage.postgres.tables import drain_ledger, erased_events, events, feed_identity

HEAD = sa.select(
    feed_identity.c.feed_id,
    feed_identity.c.last_unnumbered,
    drain_ledger.c.shard,
    drain_ledger.c.batches,
    sa.func.pg_is_in_recovery().label("is_standby"),
).select_from(feed_identity.outerjoin(drain_ledger, sa.true()))
"""One row for each writer, and at least one."""

RECENT = sa.select(
    drain_ledger.c.shard, drain_ledger.c.recent_after, drain_ledger.c.recent_from
).where(drain_ledger.c.recent_from.is_not(None))

NOTICE_BATCHES = 4
"""Transactions of erasures whose notices one read tells."""

_OF_NOTICES = ("component", "environment", "within_component", "within_environment")
_WHOLE = [column.name for column in EVENT_COLUMNS if column.name != "data"]


def part_query(part: Part, filters: Filters, rows: int, limit: int) -> sa.Select[Any]:
    """Return the SELECT of the matches among the first `rows` rows of the part, `limit` at most.

    The last row of a full walk is marked by `is_last`, and comes even if it does not match.
    """
    place = sa.func.row_number().over(order_by=_order(part, events.c)).label("place")
    walked = (
        sa.select(events, place)
        .where(*_within(part), *_walked(part, filters))
        .order_by(*_order(part, events.c))
        .limit(rows)
        .subquery("walked")
    )
    matches = sa.func.coalesce(sa.and_(*_kept(part, filters, walked.c)), sa.false())
    shown = [walked.c[name] for name in (*_WHOLE, "feed")]
    data = sa.cast(walked.c.data, sa.Text).label("data")
    is_last = walked.c.place == rows
    return (
        sa.select(*shown, data, matches.label("matches"), is_last.label("is_last"))
        .where(sa.or_(matches, is_last))
        .order_by(*_order(part, walked.c))
        .limit(limit)
    )


def notices_query(low: int, high: int, filters: Filters) -> sa.Select[Any]:
    """Return the SELECT of notices of erasures, whole transactions of them, in their order.

    Only the filters by component and environment are asked: the limits of a client are among them.
    """
    of = erased_events.c
    numbers = (
        sa.select(of.feed)
        .where(of.feed > low, of.feed <= high)
        .distinct()
        .order_by(of.feed)
        .limit(NOTICE_BATCHES)
    )
    kept = [IN_ORDER[name](filters, of) for name in _OF_NOTICES if getattr(filters, name)]
    shown = sa.and_(sa.true(), *kept).label("is_shown")
    query = sa.select(of.feed, of.id, of.is_deleted, shown)
    return query.where(of.feed.in_(numbers)).order_by(of.feed, of.id)


def count_query(part: Part, filters: Filters) -> sa.Select[int]:
    """Return the SELECT of the number of matches in the part."""
    kept = _kept(part, filters, events.c)
    return sa.select(sa.func.count()).select_from(events).where(*_within(part), *kept)


def _order(part: Part, of: Any) -> list[sa.ColumnElement[Any]]:
    """Return the order of the part: that of the events' primary key, after the number."""
    key = [of.created_at, of.id]
    return key if part.is_history else [of.feed, *key]


def _within(part: Part) -> Iterator[sa.ColumnElement[bool]]:
    """Yield the bounds of the part. The first one lets an index serve it."""
    of, last = events.c, part.last
    if part.is_history:
        assert last is not None
        yield of.created_at >= last.created_at
        yield of.created_at <= sa.select(feed_identity.c.last_unnumbered).scalar_subquery()
        yield sa.tuple_(of.created_at, of.id) > sa.tuple_(last.created_at, last.id)
        return
    yield of.feed > part.low if last is None else of.feed >= last.feed
    yield of.feed <= part.high
    if part.since is not None:
        yield of.created_at >= part.since
    if last is not None:
        yield sa.tuple_(of.feed, of.created_at, of.id) > sa.tuple_(*last)


def _walked(part: Part, filters: Filters) -> list[sa.ColumnElement[bool]]:
    """Return the filters that an index answers in the order of the part, or that bound the time."""
    if part.is_history:
        return in_order(filters)
    given = (name for name in ("start", "end") if getattr(filters, name))
    return [IN_ORDER[name](filters, events.c) for name in given]


def _kept(part: Part, filters: Filters, of: Any) -> Iterator[sa.ColumnElement[bool]]:
    yield of.feed == 0 if part.is_history else sa.true()
    yield from matching(filters, of)
