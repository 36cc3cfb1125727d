#!lua
-- The events of one group commit, their index and the wake-up, all or nothing.
-- Without allow-oom: at the memory limit it is refused before its first write.
-- KEYS 1 stream  2 state  3 ids
-- ARGV 1 queued_ttl_ms  2 oldest created_at (ms)  3 greatest age (ms)  4, 5 most events and bytes
--      of the shard's backlog  6 '1': even where the last drain failed  then id, event, id, event ...
-- Returns {the generation to enqueue, 0 when a drain is on its way; events ever appended; events and
-- bytes of the backlog}, or a refusal (nothing is appended): -1 too old, and what is older than that
-- age is never appended later; -2 full; -4 the last drain of this shard failed. An error SHARD: a
-- command failed, and nothing is appended.
return all_or_nothing(function(undo)
  if ARGV[6] ~= '1' and redis.call('HEXISTS', KEYS[2], 'last_error') == 1 then return -4 end
  return refused(KEYS[2], KEYS[1], 6) or append(undo, KEYS[1], KEYS[2], KEYS[3], 7)
end)
