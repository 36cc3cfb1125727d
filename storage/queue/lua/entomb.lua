#!lua flags=allow-oom
-- Write a tombstone, and make the lease of a running drain void.
-- KEYS 1 state  2 tombstones
-- ARGV 1 erasure  2 its value  3 the last fence that PostgreSQL has seen
-- Returns the shard's fence: later drains have a higher one, and know the tombstone. The sweeper
-- queues the next drain.
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
local h = redis.call('HMGET', KEYS[1], 'st', 'fence')
local fence = math.max(tonumber(h[2] or '0'), tonumber(ARGV[3])) + 1
fence = string.format('%.0f', math.max(fence, now_us()))
redis.call('HSET', KEYS[1], 'fence', fence)
if h[1] == 'r' then queued(KEYS[1], 1) end
return fence
