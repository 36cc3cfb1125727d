#!lua flags=allow-oom
-- Which place in the WAL must a standby have replayed to have all that the cache knows of?
-- KEYS 1 generations  2 pending writers
-- ARGV 1 grace_us after the epoch began
-- Returns the place, or '': unknown, or a writer is pending, which may have committed.
local now = now_us()
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  epoch = string.format('%.0f', now)
  redis.call('HSET', KEYS[1], 'epoch', epoch)
end
if now - tonumber(epoch) < tonumber(ARGV[1]) then return '' end -- pending tags may be lost
if redis.call('ZRANGE', KEYS[2], 0, 0)[1] then return '' end
return redis.call('HGET', KEYS[1], 'wal') or ''
