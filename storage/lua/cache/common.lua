-- Prepended to every script of the cache. The hash `cache:generations`:
--   epoch         this server's clock when it began, so that a page read before the server lost
--                 its data never matches again
--   <bucket>      raised after each commit that may change pages of the bucket
--   w:<bucket>    shards with a drain between "about to commit" and "raised"; absent for none:
--                 while there is one, no page of the bucket is served
--   sealed        the bucket of the sealed pages: raised by a batch that reaches into a window
--                 thought closed (a clock went back)
--   sealed_until  no page's window that is sealed, or soon will be, ends after this (ms)
--   f:<shard>     the latest fence that has marked: what an older drain says counts no more
local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
local function late(generations, oldest_ms)
  local until_ms = redis.call('HGET', generations, 'sealed_until')
  return until_ms and tonumber(oldest_ms) < tonumber(until_ms)
end
local function overtaken(generations, shard, fence)
  return tonumber(redis.call('HGET', generations, 'f:' .. shard) or '0') > tonumber(fence)
end
-- The generations of these buckets as a page is kept under them, and whether one bears a mark.
local function look(generations, epoch, kind, buckets)
  local seen, marked = {kind, epoch}, false
  for i, bucket in ipairs(buckets) do
    local h = redis.call('HMGET', generations, bucket, 'w:' .. bucket)
    seen[i + 2] = h[1] or '0'
    marked = marked or h[2]
  end
  return table.concat(seen, ':'), marked
end
