#!lua flags=allow-oom
-- After the commit: raise the generations and lift the shard's marks, also those that a drain
-- killed between its commit and this call has left behind.
-- KEYS 1 generations  2 marks of the shard
-- ARGV 1 created_at of the batch's oldest event (ms)  then the batch's buckets
unseal(KEYS[1], ARGV[1])
local raise = {}
for i = 2, #ARGV do raise[ARGV[i]] = true end
for _, bucket in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  raise[bucket] = true
  if redis.call('HINCRBY', KEYS[1], 'w:' .. bucket, -1) < 1 then
    redis.call('HDEL', KEYS[1], 'w:' .. bucket)
  end
end
for bucket in pairs(raise) do redis.call('HINCRBY', KEYS[1], bucket, 1) end
redis.call('DEL', KEYS[2])
