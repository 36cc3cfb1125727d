#!lua
-- Append the events of one group commit, index them and wake a drain: all or nothing.
-- Without allow-oom: at the memory limit the server refuses it before its first write.
-- KEYS 1 stream  2 state  3 ids
-- ARGV 1 queued_ttl_ms  2 oldest created_at (ms)  3 max age (ms)  4, 5 max events and bytes of
--      the shard's backlog  6 even if the last drain failed: 1, else 0
--      7, 8 of imported events, whose ids may be known in any order: the earliest and latest time in these
--      (ms); else empty  then id, event, id, event ...
-- Returns {generation of the drain to enqueue, 0 if one is queued or running; events ever appended;
-- events and bytes of the backlog; events added now}, or a refusal (nothing is appended): -1 older
-- than the max age, so the watermark holds; -2 full; -4 the last drain of this shard failed. An error
-- SHARD: a command failed, and nothing is appended.
return all_or_nothing(function(undo)
  if ARGV[6] == '0' and redis.call('HEXISTS', KEYS[2], 'last_error') == 1 then return -4 end
  local refusal = refused(KEYS[2], KEYS[1], 8)
  if refusal then return refusal end
  local imported = ARGV[7] ~= ''
  if imported then note_imported(KEYS[2], KEYS[3], tonumber(ARGV[7]), tonumber(ARGV[8])) end
  return append(undo, KEYS[1], KEYS[2], KEYS[3], 9, imported)
end)
