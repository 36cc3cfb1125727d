"""Describe the peers: their programs, and how they get the same events and indexes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

# The columns and indexes of `events`, without its partitions and its feed, which no peer has. The
# database fills in what our API makes, because these peers pass on what was posted.
_SAME_TABLE = """
CREATE TABLE peer_events (LIKE events INCLUDING ALL);
ALTER TABLE peer_events DROP COLUMN feed;
ALTER TABLE peer_events ALTER id SET DEFAULT uuidv7(),
    ALTER created_at SET DEFAULT clock_timestamp()
"""

# Parse makes its table and primary key when the first event is posted.
_SAME_INDEXES = """
CREATE INDEX ON "Event" (component, "createdAt" DESC, "objectId" DESC);
CREATE INDEX ON "Event" (environment, "createdAt" DESC, "objectId" DESC);
CREATE INDEX ON "Event" (lower(email COLLATE "C"), "createdAt" DESC, "objectId" DESC);
CREATE INDEX ON "Event" USING gin (message gin_trgm_ops);
CREATE INDEX ON "Event" USING gin (data jsonb_path_ops)
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """One system.

    `programs` are files in `programs/`, by role. `packages` names the file there with the pinned
    packages, for pip or npm.
    """

    name: str
    packages: str
    programs: Mapping[str, str]
    target: str = "/events"
    table: str = "peer_events"
    before_start: str = _SAME_TABLE
    after_first_event: str = ""


MQ_BRIDGE = Peer("mq_bridge", "mq_bridge.txt", {"service": "mq_bridge_routes.py"})
FASTSTREAM = Peer(
    "faststream",
    "faststream.txt",
    {"api": "faststream_api.py", "worker": "faststream_worker.py"},
)
PARSE = Peer(
    "parse",
    "parse.json",
    {"api": "parse_server.js"},
    target="/parse/classes/Event",
    table='"Event"',
    before_start="",
    after_first_event=_SAME_INDEXES,
)
PEERS = (MQ_BRIDGE, FASTSTREAM, PARSE)
