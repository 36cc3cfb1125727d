#!lua flags=allow-oom
-- A drain ended early, or could not begin: release its lease and record why the shard pauses.
-- KEYS 1 state  2 stream   ARGV 1 fence (0: no lease was acquired)  2 queued_ttl_ms  3 reason
-- Returns 1, or 0 if another drain has the shard (nothing is changed). The sweeper enqueues the next
-- drain once the TTL is over.
local st, exp = unpack(redis.call('HMGET', KEYS[1], 'st', 'exp'))
if ARGV[1] == '0' then
  if st == 'r' and alive(exp) then return 0 end
elseif not holds(KEYS[1], ARGV[1]) then
  return 0
else
  redis.call('HDEL', KEYS[1], 'open')
end
if redis.call('XLEN', KEYS[2]) == 0 then -- nothing to drain
  redis.call('HDEL', KEYS[1], 'st', 'exp', 'last_error')
  return 1
end
redis.call('HSET', KEYS[1], 'last_error', ARGV[3])
queued(KEYS[1], ARGV[2])
return 1
