#!lua flags=allow-oom
-- After the commit: raise the generations and lift the shard's marks, also those that a drain
-- killed between its commit and this call has left behind.
-- KEYS 1 generations  2 underway  3 marks of the shard
-- ARGV 1 shard  2 fence  3 created_at of the batch's oldest event (ms)  then the batch's buckets
if overtaken(KEYS[1], ARGV[1], ARGV[2]) then return end -- the marks are the later drain's
local raise = {}
for i = 4, #ARGV do raise[ARGV[i]] = true end
if late(KEYS[1], ARGV[3]) then raise.sealed = true end
for _, bucket in ipairs(redis.call('SMEMBERS', KEYS[3])) do raise[bucket] = true end
for bucket in pairs(raise) do redis.call('HINCRBY', KEYS[1], bucket, 1) end
if raise.sealed then redis.call('HDEL', KEYS[1], 'sealed_until') end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[3])
