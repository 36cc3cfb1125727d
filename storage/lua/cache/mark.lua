#!lua flags=allow-oom
-- Before a commit: pages of these buckets must not be served until publish.lua has run.
-- KEYS 1 generations  2 marks of the shard
-- ARGV 1 created_at of the batch's oldest event (ms)  then the batch's buckets
unseal(KEYS[1], ARGV[1])
for i = 2, #ARGV do
  if redis.call('SADD', KEYS[2], ARGV[i]) == 1 then
    redis.call('HINCRBY', KEYS[1], 'w:' .. ARGV[i], 1)
  end
end
