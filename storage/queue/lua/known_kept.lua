#!lua flags=allow-oom
-- As known.lua, behind a write that replicas can confirm: who appended the events may not have waited for
-- them. KEYS 1 stream (names the shard)  2 ids  3 probe
redis.call('SET', KEYS[3], now_ms())
return positions(KEYS[2], ARGV[1])
