#!lua flags=no-writes
-- Find queued events by their ids. KEYS 1 ids  2 stream   ARGV ids (16 bytes each)
-- Returns for each id its event's JSON, or nil if it is not on this shard.
local found = {}
for i, id in ipairs(ARGV) do
  local entry = redis.call('HGET', KEYS[1], id)
  local event = entry and redis.call('XRANGE', KEYS[2], entry, entry)[1]
  found[i] = event and event[2][2] or false
end
return found
