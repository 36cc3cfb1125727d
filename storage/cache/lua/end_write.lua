#!lua flags=allow-oom
-- Called after a commit: raise the generations, and clear the shard's pending tags. Those count too
-- that an earlier drain has left, which was killed between its commit and this call.
-- KEYS 1 generations  2 pending writers  3 pending tags of the shard
-- ARGV 1 shard  2 fence  3 created_at of the batch's oldest event (ms)
--      4 a place in the WAL behind the commit, '': unknown  then the batch's tags
-- Publishes the writer to the channel `feed:stored`. It is only a hint: an error, as of a user without
-- the right, is ignored, and who listens must ask PostgreSQL from time to time anyway.
redis.pcall('PUBLISH', 'feed:stored', ARGV[1])
if overtaken(KEYS[1], ARGV[1], ARGV[2]) then return end -- the pending tags are the later drain's
keep_wal(KEYS[1], ARGV[1], ARGV[4])
local raise = {}
for i = 5, #ARGV do raise[ARGV[i]] = true end
if late(KEYS[1], ARGV[3]) then raise.closed = true end
for _, tag in ipairs(redis.call('SMEMBERS', KEYS[3])) do raise[tag] = true end
for tag in pairs(raise) do redis.call('HINCRBY', KEYS[1], tag, 1) end
if raise.closed then redis.call('HDEL', KEYS[1], 'closed_until') end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[3])
