-- Prepended to every script of the cache. The hash `cache:tag_generations`:
--   epoch         this server's clock when its data was new, so that no page that was read before
--                 a loss of data ever matches again
--   <tag>         generation of the tag: raised after each commit that may change its pages
--   closed        generation of the closed pages: raised by a batch with an event in a window that
--                 counted as closed (a clock went back)
--   closed_until  the latest end (ms) of a window that counts as closed, or may soon
--   f:<writer>    the latest fence that has begun a write: calls with an older one change nothing
--   b:<writer>    when the writer's latest write has begun (us)
--   wal           a place in PostgreSQL's WAL behind the commit of each write that has ended, as
--                 `system/timeline/lsn` (storage/model/wal_position.py); absent if it is not known
--   wal_lost      when a write has ended without telling its place (us)
-- A writer is a drain, under the number of its shard, or `replay`. The sorted set
-- `cache:pending_writers` has the writers between begin_write.lua and end_write.lua; for each of
-- them, no page of the tags in `cache:pending_tags:<writer>` is served.
local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
-- Begin the epoch if this server's data is new. Returns it, and whether it began long enough ago:
-- before that, pending tags may be lost.
local function begin_epoch(generations, grace_us)
  local now = now_us()
  local epoch = redis.call('HGET', generations, 'epoch')
  if not epoch then
    epoch = string.format('%.0f', now)
    redis.call('HSET', generations, 'epoch', epoch)
  end
  return epoch, now - tonumber(epoch) >= tonumber(grace_us)
end
local function late(generations, oldest_ms)
  local until_ms = redis.call('HGET', generations, 'closed_until')
  return until_ms and tonumber(oldest_ms) < tonumber(until_ms)
end
local function overtaken(generations, shard, fence)
  return tonumber(redis.call('HGET', generations, 'f:' .. shard) or '0') > tonumber(fence)
end
-- Keep the place that a write tells with its end, if it is behind the one that is known. While none
-- is known, only a write tells it that has begun after the last one that did not: its commit, and so
-- its place, is behind the others' commits.
local function keep_wal(generations, writer, told)
  if told == '' then
    redis.call('HSET', generations, 'wal_lost', string.format('%.0f', now_us()))
    redis.call('HDEL', generations, 'wal')
    return
  end
  local found = redis.call('HMGET', generations, 'wal', 'wal_lost', 'b:' .. writer)
  if found[1] then
    local system, timeline, lsn = string.match(found[1], '(%d+)/(%d+)/(%d+)')
    local of, on, at = string.match(told, '(%d+)/(%d+)/(%d+)')
    timeline, lsn, on, at = tonumber(timeline), tonumber(lsn), tonumber(on), tonumber(at)
    if of == system and (on < timeline or (on == timeline and at <= lsn)) then return end
  elseif tonumber(found[3] or '0') <= tonumber(found[2] or '0') then
    return
  end
  redis.call('HSET', generations, 'wal', told)
end
local function is_pending(shards, tags)
  for _, shard in ipairs(shards) do
    for _, found in ipairs(redis.call('SMISMEMBER', 'cache:pending_tags:' .. shard, unpack(tags))) do
      if found == 1 then return true end
    end
  end
  return false
end
-- Returns the string of generations of these tags under which a page is stored, and whether one of
-- the tags is pending.
local function read_generations(generations, shards, epoch, kind, tags)
  local values = redis.call('HMGET', generations, unpack(tags))
  for i = 1, #tags do values[i] = values[i] or '0' end
  return table.concat({kind, epoch, unpack(values)}, ':'), is_pending(shards, tags)
end
-- Record that windows up to this watermark count as closed; return it (ms). It can't pass a pending
-- batch, and a batch that begins later finds `closed_until`.
local function record_watermark(generations, writers, watermark_ms)
  local watermark = tonumber(watermark_ms)
  local oldest = redis.call('ZRANGE', writers, 0, 0, 'WITHSCORES')[2]
  if oldest then watermark = math.min(watermark, tonumber(oldest)) end
  if watermark > tonumber(redis.call('HGET', generations, 'closed_until') or '0') then
    redis.call('HSET', generations, 'closed_until', string.format('%.0f', watermark))
  end
  return watermark
end
