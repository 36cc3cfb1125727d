#!lua flags=no-writes
-- Which of many ids are queued on this shard? KEYS 1 ids   ARGV 1 the ids, 16 bytes each, as one text
-- Returns the position of each that is, from 0.
local found, count, sub = {}, #ARGV[1] / 16, string.sub
if redis.call('HLEN', KEYS[1]) == 0 then return found end
for from = 0, count - 1, CHUNK do
  local asked = {}
  local last = math.min(CHUNK, count - from)
  for n = 1, last do asked[n] = sub(ARGV[1], 16 * (from + n) - 15, 16 * (from + n)) end
  local entries = redis.call('HMGET', KEYS[1], unpack(asked))
  for n = 1, last do
    if entries[n] then found[#found + 1] = from + n - 1 end
  end
end
return found
