#!lua flags=allow-oom
-- Take the lease. KEYS 1 state  2 stream  3 tombstones   ARGV 1 lease_ms  2 the last fence that PostgreSQL has seen
-- Returns {fence, 1 if the previous drain did not release it, the last id of the stream ('' unknown),
-- tombstones: erasure, its value, and so on}, or {0, 0, '', {}} if a live drain holds the lease.
local h = redis.call('HMGET', KEYS[1], 'st', 'exp', 'fence', 'open')
if h[1] == 'r' and alive(h[2]) then return {'0', 0, '', {}} end
-- The fence grows even if this server lost its data: it is at least the clock, and above the last one
-- that PostgreSQL has seen.
local fence = math.max(tonumber(h[3] or '0'), tonumber(ARGV[2])) + 1
fence = string.format('%.0f', math.max(fence, now_us()))
redis.call('HSET', KEYS[1], 'st', 'r', 'exp', now_ms() + tonumber(ARGV[1]), 'fence', fence,
  'open', 1)
return {fence, h[4] and 1 or 0, last_id(KEYS[2]), redis.call('HGETALL', KEYS[3])}
