#!lua flags=no-writes
-- Which of many ids are queued on this shard? KEYS 1 ids   ARGV 1 the ids, 16 bytes each, as one text
-- Returns the position of each that is, from 0.
local found, count = {}, #ARGV[1] / 16
for from = 0, count - 1, CHUNK do
  local asked = {}
  for i = from, math.min(from + CHUNK, count) - 1 do
    asked[#asked + 1] = string.sub(ARGV[1], 16 * i + 1, 16 * i + 16)
  end
  for n, entry in ipairs(redis.call('HMGET', KEYS[1], unpack(asked))) do
    if entry then found[#found + 1] = from + n - 1 end
  end
end
return found
