#!lua flags=allow-oom
-- A write whose fsync can be waited for (WAITAOF behind it on the same connection), also at the
-- memory limit. KEYS 1 the probe
redis.call('SET', KEYS[1], now_ms())
return 1
