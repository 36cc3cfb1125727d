#!lua flags=allow-oom
-- May this cached page be served, and if not, who runs its query?
-- KEYS 1 generations  2 underway  3 page  4 flight
-- ARGV 1 grace_us after the epoch began  2 flight_ttl_ms, 0: don't ask to run the query
--      3 token of who asks  4 horizon_ms, 0: unknown  then the page's buckets
-- Returns {'hit', body, etag} | {'wait'} another process runs the query |
--         {'miss', generations, sealed, horizon_ms}: run it, then keep the page under these
--         generations; under `sealed` if its window ends no later than this horizon.
local now = now_us()
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  epoch = string.format('%.0f', now)
  redis.call('HSET', KEYS[1], 'epoch', epoch)
end
local shards = redis.call('ZRANGE', KEYS[2], 0, -1)
local open, marked = look(KEYS[1], shards, epoch, 'open', {unpack(ARGV, 5)})
local sealed, breached = look(KEYS[1], shards, epoch, 'sealed', {'sealed'})
if now - tonumber(epoch) < tonumber(ARGV[1]) then
  open, sealed = 'none', 'none' -- a mark may be lost: what is read now is never served
else
  local page = redis.call('HMGET', KEYS[3], 'generations', 'body', 'etag')
  if (page[1] == open and not marked) or (page[1] == sealed and not breached) then
    return {'hit', page[2], page[3]}
  end
end
if ARGV[2] == '0' then return {'miss', open, sealed, 0} end
local leader = redis.call('SET', KEYS[4], ARGV[3], 'NX', 'GET', 'PX', ARGV[2])
if leader and leader ~= ARGV[3] then return {'wait'} end
-- A batch about to be committed holds the horizon back; a later one finds sealed_until.
local horizon = tonumber(ARGV[4])
local oldest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
if oldest then horizon = math.min(horizon, tonumber(oldest)) end
if horizon > tonumber(redis.call('HGET', KEYS[1], 'sealed_until') or '0') then
  redis.call('HSET', KEYS[1], 'sealed_until', string.format('%.0f', horizon))
end
return {'miss', open, sealed, horizon}
