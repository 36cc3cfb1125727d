#!lua
-- Like append.lua, once for each idempotency key: the record is written with its events.
-- KEYS 1 stream  2 state  3 ids  4 record of the key  5 records: zset by expiry time (ms)
--      6 probe: only if replicas are awaited. Its write is what they confirm if the key is known: who wrote
--      the record may not have waited.
-- ARGV 1 to 5 as for append.lua  6 fingerprint of the request (16 bytes)  7 TTL of the record (ms)
--      8 max records of the shard  9 answer to a repeated request  then id, event ...
-- Returns what append.lua does; -3 if the shard has the max number of records; or, if the key is known,
-- {its record: fingerprint and answer; events ever appended}. An error SHARD: a command failed, nothing
-- is appended, and no record is written.
return all_or_nothing(function(undo)
  local known = redis.call('GET', KEYS[4])
  if known then
    if KEYS[6] then redis.call('SET', KEYS[6], now_ms()) end
    return {known, tonumber(redis.call('HGET', KEYS[2], 'accepted') or '0')}
  end
  local refusal = refused(KEYS[2], KEYS[1], 9)
  if refusal then return refusal end
  redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now_ms())
  if redis.call('ZCARD', KEYS[5]) >= tonumber(ARGV[8]) then return -3 end
  redis.call('ZADD', KEYS[5], now_ms() + tonumber(ARGV[7]), KEYS[4]) -- only to count it
  local answer = append(undo, KEYS[1], KEYS[2], KEYS[3], 10)
  -- Last, so that a record always has its events on the stream.
  redis.call('SET', KEYS[4], ARGV[6] .. ARGV[9], 'PX', ARGV[7])
  return answer
end)
