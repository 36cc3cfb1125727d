-- Prepended to every script of the cache. The hash `cache:generations`:
--   epoch         starts from this server's clock, so that a page read before the server lost
--                 its data never matches again; raised, it makes every page unfit
--   <bucket>      raised after each commit that may change pages of the bucket
--   w:<bucket>    shards with a drain between "about to commit" and "raised"; absent for none:
--                 while there is one, no page of the bucket is served
--   sealed_until  the latest end (ms) of a sealed page's window
local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
-- An event that falls into a sealed window (a clock went back) makes every page unfit.
local function unseal(generations, oldest_ms)
  local until_ms = redis.call('HGET', generations, 'sealed_until')
  if until_ms and tonumber(oldest_ms) < tonumber(until_ms) then
    redis.call('HDEL', generations, 'sealed_until')
    redis.call('HINCRBY', generations, 'epoch', 1)
  end
end
