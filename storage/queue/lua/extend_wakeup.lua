#!lua flags=allow-oom
-- The job is still in RQ's list: keep waiting for it.
-- KEYS 1 state   ARGV 1 queued_ttl_ms  2 gen   Returns 1, or 0 if the shard has another state by now.
local h = redis.call('HMGET', KEYS[1], 'st', 'gen')
if h[1] ~= 'q' or h[2] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'exp', now_ms() + tonumber(ARGV[1]))
return 1
