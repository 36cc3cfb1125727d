#!lua flags=allow-oom
-- A drain ended early, or could not even begin: give its lease back and say why the shard pauses.
-- KEYS 1 state  2 stream   ARGV 1 fence (0: no lease was taken)  2 queued_ttl_ms  3 why
-- Returns 1, or 0 when another drain has the shard (nothing was changed). Nobody enqueues the next
-- drain: the sweeper does, once the TTL is over.
local st, exp = unpack(redis.call('HMGET', KEYS[1], 'st', 'exp'))
if ARGV[1] == '0' then
  if st == 'r' and alive(exp) then return 0 end
elseif not holds(KEYS[1], ARGV[1]) then
  return 0
else
  redis.call('HDEL', KEYS[1], 'open')
end
if redis.call('XLEN', KEYS[2]) == 0 then -- nothing waits for it
  redis.call('HDEL', KEYS[1], 'st', 'exp', 'last_error')
  return 1
end
redis.call('HSET', KEYS[1], 'last_error', ARGV[3])
queued(KEYS[1], ARGV[2])
return 1
