#!lua flags=allow-oom
-- Make sure that a drain is queued for a shard that has entries.
-- KEYS 1 state  2 stream
-- ARGV 1 queued_ttl_ms  2 a generation known to be gone from RQ's list, or 0
-- Returns {gen, 0}: enqueue it; {0, gen}: check whether job gen is still in RQ's list, then call
-- extend_wakeup, or this script again with gen; {0, 0}: nothing to do.
local h = redis.call('HMGET', KEYS[1], 'st', 'exp', 'gen')
if h[1] and alive(h[2]) then return {0, 0} end
if redis.call('XLEN', KEYS[2]) == 0 then
  redis.call('HDEL', KEYS[1], 'st', 'exp', 'last_error')
  return {0, 0}
end
if h[1] == 'q' and h[3] ~= ARGV[2] then return {0, tonumber(h[3])} end
return {queued(KEYS[1], ARGV[1]), 0}
