#!lua flags=allow-oom
-- After the commit: remove the stored entries and keep the lease.
-- KEYS 1 state  2 stream  3 ids
-- ARGV 1 fence  2 lease_ms  3 first entry to keep, '+' for none  4 bytes of the removed events
--      5 events that the worker stores per second of work, '' unknown  6 '1' if that is a lower bound, else '0'
--      then the ids of the removed events
-- Returns the number of entries left, or -1 if the lease is lost (nothing is changed): also if the
-- batch was read on another server, from which this one has taken over without its last entries. New
-- entries with lower ids may wait here, which the batch does not have.

-- Returns whether no pace is recorded, or a lower bound below `pace`.
local function raises(state, pace)
  local h = redis.call('HMGET', state, 'pace', 'pace_at')
  return (tonumber(h[2]) or 0) == 0 and (tonumber(h[1]) or 0) < tonumber(pace)
end
-- Returns whether entries wait before `keep`, but not the one just before it.
local function was_read_elsewhere(stream, keep)
  local ms, n = string.match(keep, '^(%d+)%-(%d+)$')
  n = tonumber(n)
  if not n or n == 0 or n > 9007199254740991 then return false end
  local last = ms .. '-' .. string.format('%.0f', n - 1)
  if redis.call('XRANGE', stream, last, last)[1] then return false end
  return redis.call('XRANGE', stream, '-', '(' .. keep, 'COUNT', 1)[1] ~= nil
end
if not holds(KEYS[1], ARGV[1]) or was_read_elsewhere(KEYS[2], ARGV[3]) then return -1 end
local size = tonumber(ARGV[4])
-- Foreign entries were not counted when they came, so they are not when they leave.
if redis.call('XLEN', KEYS[2]) ~= redis.call('HLEN', KEYS[3]) then
  size = appended_bytes(KEYS[2], KEYS[3], ARGV[3], 7)
end
-- No entry can follow the last possible id, so '+' keeps none.
local bound = ARGV[3] == '+' and {'MAXLEN', '=', 0} or {'MINID', '=', ARGV[3]}
local gone, known = redis.call('XTRIM', KEYS[2], unpack(bound)), 0
for i = 7, #ARGV, 1000 do
  known = known + redis.call('HDEL', KEYS[3], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
redis.call('HINCRBY', KEYS[1], 'trimmed', known)
if gone > known then redis.call('HINCRBY', KEYS[1], 'foreign', gone - known) end
-- A call repeated because its answer was lost finds nothing to remove.
if known > 0 then redis.call('HINCRBY', KEYS[1], 'bytes', -size) end
redis.call('HDEL', KEYS[1], 'last_error')
local now = now_ms()
local exp = now + tonumber(ARGV[2])
if ARGV[5] ~= '' and (ARGV[6] == '0' or raises(KEYS[1], ARGV[5])) then
  local at = ARGV[6] == '0' and now or 0
  redis.call('HSET', KEYS[1], 'exp', exp, 'pace', ARGV[5], 'pace_at', at)
else
  redis.call('HSET', KEYS[1], 'exp', exp)
end
local left = redis.call('XLEN', KEYS[2])
if left == 0 then redis.call('HSET', KEYS[1], 'bytes', 0) end -- corrects any error in the count
return left
