"""Which feed a database has: positions in one feed say nothing in another."""

import sqlalchemy as sa

from storage.postgres.tables import feed_identity


def renew(connection: sa.Connection) -> str:
    """Begin another feed, whose readers start anew; return its id.

    Call it in a database that was restored from a copy: it gives numbers again that readers have
    seen with other events.
    """
    another = feed_identity.update().values(feed_id=sa.func.gen_random_uuid())
    return str(connection.execute(another.returning(feed_identity.c.feed_id)).scalar_one())
