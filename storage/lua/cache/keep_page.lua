#!lua
-- Keep a page that was read under these generations, and end its flight.
-- KEYS 1 generations  2 page  3 flight
-- ARGV 1 generations as lookup gave them  2 body  3 etag  4 ttl_ms  5 token of who ran the query
--      6 the end of the page's window (ms) when no event can still fall into it, else 0
local seen = ARGV[1]
if ARGV[6] ~= '0' then
  seen = 'sealed:' .. string.match(seen, '^%d+')
  local until_ms = tonumber(redis.call('HGET', KEYS[1], 'sealed_until') or '0')
  if tonumber(ARGV[6]) > until_ms then redis.call('HSET', KEYS[1], 'sealed_until', ARGV[6]) end
end
redis.call('HSET', KEYS[2], 'generations', seen, 'body', ARGV[2], 'etag', ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
if redis.call('GET', KEYS[3]) == ARGV[5] then redis.call('DEL', KEYS[3]) end
