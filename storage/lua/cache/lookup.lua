#!lua flags=allow-oom
-- May this cached page be served, and if not, who runs its query?
-- KEYS 1 generations  2 page  3 flight
-- ARGV 1 grace_us after the epoch began  2 flight_ttl_ms, 0: don't ask to run the query
--      3 token of who asks  then the page's buckets
-- Returns {'hit', body, etag} | {'wait'} another process runs the query |
--         {'miss', generations}: run it, then store the page under these.
local now = now_us()
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  epoch = string.format('%.0f', now)
  redis.call('HSET', KEYS[1], 'epoch', epoch)
end
local quiet = now - tonumber(epoch) >= tonumber(ARGV[1])
local seen = {epoch}
for i = 4, #ARGV do
  local h = redis.call('HMGET', KEYS[1], ARGV[i], 'w:' .. ARGV[i])
  seen[#seen + 1] = h[1] or '0'
  if h[2] then quiet = false end
end
local generations = table.concat(seen, ':')
local stored = redis.call('HGET', KEYS[2], 'generations')
if stored and (stored == 'sealed:' .. epoch or (quiet and stored == generations)) then
  local h = redis.call('HMGET', KEYS[2], 'body', 'etag')
  return {'hit', h[1], h[2]}
end
if tonumber(ARGV[2]) > 0
  and not redis.call('SET', KEYS[3], ARGV[3], 'NX', 'PX', ARGV[2]) then return {'wait'} end
return {'miss', generations}
