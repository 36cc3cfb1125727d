-- Prepended to every script of the cache. The hash `cache:generations`:
--   epoch         this server's clock when it began, so that a page read before the server lost
--                 its data never matches again
--   <bucket>      raised after each commit that may change pages of the bucket
--   sealed        the bucket of the sealed pages: raised by a batch that reaches into a window
--                 thought closed (a clock went back)
--   sealed_until  no page's window that is sealed, or soon will be, ends after this (ms)
--   f:<shard>     the latest fence that has marked: what an older drain says counts no more
-- Beside it `cache:underway`, the shards with a drain between "about to commit" and "raised", and
-- for each of them the set `cache:marks:<shard>`: no page of the buckets in it is served.
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
local function is_marked(shards, buckets)
  for _, shard in ipairs(shards) do
    for _, found in ipairs(redis.call('SMISMEMBER', 'cache:marks:' .. shard, unpack(buckets))) do
      if found == 1 then return true end
    end
  end
  return false
end
-- The generations of these buckets as a page is kept under them, and whether one bears a mark of
-- the shards underway.
local function look(generations, shards, epoch, kind, buckets)
  local seen = redis.call('HMGET', generations, unpack(buckets))
  for i = 1, #buckets do seen[i] = seen[i] or '0' end
  return table.concat({kind, epoch, unpack(seen)}, ':'), is_marked(shards, buckets)
end
