#!lua
-- Append the events of one group commit, index them and wake a drain: all or nothing.
-- Without allow-oom: at the memory limit the server refuses it before its first write.
-- KEYS 1 stream  2 state  3 ids
-- ARGV 1 queued_ttl_ms  2 oldest created_at (ms)  3 max age (ms)  4, 5 max events and bytes of
--      the shard's backlog  6 sum of 1: even if the last drain failed, 2: imported events, whose ids
--      may be known in any order  then id, event, id, event ...
-- Returns {generation of the drain to enqueue, 0 if one is queued or running; events ever appended;
-- events and bytes of the backlog; events added now}, or a refusal (nothing is appended): -1 older
-- than the max age, so the watermark holds; -2 full; -4 the last drain of this shard failed. An error
-- SHARD: a command failed, and nothing is appended.
return all_or_nothing(function(undo)
  local flags = tonumber(ARGV[6])
  if flags % 2 == 0 and redis.call('HEXISTS', KEYS[2], 'last_error') == 1 then return -4 end
  return refused(KEYS[2], KEYS[1], 6) or append(undo, KEYS[1], KEYS[2], KEYS[3], 7, flags >= 2)
end)
