#!lua
-- The events of one group commit, their index and the wake-up, all or nothing.
-- Without allow-oom: at the memory limit it is refused before its first write.
-- KEYS 1 stream  2 state  3 ids
-- ARGV 1 queued_ttl_ms  2 oldest created_at (ms)  3 greatest age (ms)  then id, event, id, event ...
-- Returns the generation to enqueue, 0 when a drain is on its way, -1 when the oldest event is
-- too old: nothing was appended, and what is older than that age is never appended later.
if now_ms() - tonumber(ARGV[2]) > tonumber(ARGV[3]) then return -1 end
local added = 0
for i = 4, #ARGV, 2 do
  local entry = redis.call('XADD', KEYS[1], '*', 'e', ARGV[i + 1])
  if redis.call('HSETNX', KEYS[3], ARGV[i], entry) == 1 then
    added = added + 1
  else
    redis.call('XDEL', KEYS[1], entry) -- a retry whose first answer was lost
  end
end
redis.call('HINCRBY', KEYS[2], 'accepted', added)
-- A state that has expired is the sweeper's: it can see whether the job still waits.
if redis.call('HEXISTS', KEYS[2], 'st') == 1 then return 0 end
return queued(KEYS[2], ARGV[1])
