#!lua flags=allow-oom
-- Which place in the WAL must a standby have replayed to have all that the cache knows of?
-- KEYS 1 generations  2 pending writers
-- ARGV 1 grace_us after the epoch began
-- Returns the place, or '': unknown, or a writer is pending, which may have committed.
local _, settled = begin_epoch(KEYS[1], ARGV[1])
if not settled then return '' end -- pending tags may be lost
if redis.call('ZRANGE', KEYS[2], 0, 0)[1] then return '' end
return redis.call('HGET', KEYS[1], 'wal') or ''
