#!lua flags=allow-oom
-- A write, also at the memory limit. WAITAOF after it, on the same connection, waits for its fsync.
-- KEYS 1 the probe
redis.call('SET', KEYS[1], now_ms())
return 1
