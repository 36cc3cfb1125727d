-- Prepended to every script of the cache. The hash `cache:tag_generations`:
--   epoch         this server's clock when it began, so that a page read before the server lost
--                 its data never matches again
--   <tag>         raised after each commit that may change pages of the tag
--   closed        the tag of the closed pages: raised by a batch that reaches into a window
--                 thought closed (a clock went back)
--   closed_until  no page's window that is closed, or soon will be, ends after this (ms)
--   f:<shard>     the latest fence that has begun a write: what an older drain says counts no more
-- Beside it `cache:pending_writers`, the shards with a drain between "about to commit" and "raised",
-- and for each of them the set `cache:pending_tags:<shard>`: no page of the tags in it is served.
local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
local function late(generations, oldest_ms)
  local until_ms = redis.call('HGET', generations, 'closed_until')
  return until_ms and tonumber(oldest_ms) < tonumber(until_ms)
end
local function overtaken(generations, shard, fence)
  return tonumber(redis.call('HGET', generations, 'f:' .. shard) or '0') > tonumber(fence)
end
local function is_pending(shards, tags)
  for _, shard in ipairs(shards) do
    for _, found in ipairs(redis.call('SMISMEMBER', 'cache:pending_tags:' .. shard, unpack(tags))) do
      if found == 1 then return true end
    end
  end
  return false
end
-- The generations of these tags as a page is kept under them, and whether a pending
-- writer is about to change one of them.
local function look(generations, shards, epoch, kind, tags)
  local seen = redis.call('HMGET', generations, unpack(tags))
  for i = 1, #tags do seen[i] = seen[i] or '0' end
  return table.concat({kind, epoch, unpack(seen)}, ':'), is_pending(shards, tags)
end
