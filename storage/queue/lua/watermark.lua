#!lua flags=no-writes
-- By the clock of this shard's server: when its oldest entry was appended (ms), or now without one.
-- KEYS 1 stream
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local now = now_ms()
return string.format('%.0f', first and math.min(now, tonumber(string.match(first[1], '^%d+'))) or now)
