#!lua flags=allow-oom
-- Called before a commit: make tags pending. No page of them is served until end_write.lua has run.
-- KEYS 1 generations  2 pending writers  3 pending tags of the shard
-- ARGV 1 shard  2 fence  3 created_at of the batch's oldest event (ms)  then the batch's tags
if overtaken(KEYS[1], ARGV[1], ARGV[2]) then return end -- this drain can't commit any more
local begun = string.format('%.0f', now_us())
redis.call('HSET', KEYS[1], 'f:' .. ARGV[1], ARGV[2], 'b:' .. ARGV[1], begun)
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('SADD', KEYS[3], unpack(ARGV, 4))
if late(KEYS[1], ARGV[3]) then redis.call('SADD', KEYS[3], 'closed') end
