#!lua flags=allow-oom
-- Keep the lease. KEYS 1 state   ARGV 1 fence  2 lease_ms   Returns 1, or 0 if it is lost.
if not holds(KEYS[1], ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'exp', now_ms() + tonumber(ARGV[2]))
return 1
