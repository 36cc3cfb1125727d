#!lua flags=allow-oom
-- May this cached page be served, and if not, who runs its query?
-- KEYS 1 generations  2 pending writers  3 page  4 lock
-- Also reads cache:pending_tags:<writer> of each pending writer.
-- ARGV 1 grace_us after the epoch began  2 lock_ttl_ms, 0: don't take the lock
--      3 token of the caller  4 watermark_ms, 0: unknown  then the page's tags
-- Returns {'hit', body, etag} | {'wait'}: another process runs the query |
--         {'miss', generations, closed, watermark_ms, wal}: run it, then store the page under these
--         generations, or under `closed` if its window ends at this watermark or before. A standby
--         may run it that has replayed the place `wal`; '': none may.
local epoch, settled = begin_epoch(KEYS[1], ARGV[1])
local shards = redis.call('ZRANGE', KEYS[2], 0, -1)
local open, pending = read_generations(KEYS[1], shards, epoch, 'open', {unpack(ARGV, 5)})
local closed, closed_pending = read_generations(KEYS[1], shards, epoch, 'closed', {'closed'})
if not settled then
  open, closed = 'none', 'none' -- pending tags may be lost: never serve what is read now
else
  local page = redis.call('HMGET', KEYS[3], 'generations', 'body', 'etag')
  if (page[1] == open and not pending) or (page[1] == closed and not closed_pending) then
    return {'hit', page[2], page[3]}
  end
end
if ARGV[2] == '0' then return {'miss', open, closed, 0, ''} end
local holder = redis.call('SET', KEYS[4], ARGV[3], 'NX', 'GET', 'PX', ARGV[2])
if holder and holder ~= ARGV[3] then return {'wait'} end
local wal = open ~= 'none' and not pending and redis.call('HGET', KEYS[1], 'wal')
return {'miss', open, closed, record_watermark(KEYS[1], KEYS[2], ARGV[4]), wal or ''}
