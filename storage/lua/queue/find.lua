#!lua flags=no-writes
-- One queued event by its id. KEYS 1 ids  2 stream   ARGV 1 id (16 bytes)
-- Returns the event's JSON, or nil when it does not wait on this shard.
local entry = redis.call('HGET', KEYS[1], ARGV[1])
if not entry then return false end
local found = redis.call('XRANGE', KEYS[2], entry, entry)
return found[1] and found[1][2][2] or false
