#!lua flags=allow-oom
-- Grant a key some events to post: GCRA for the rate, a counter for the day (UTC). The hash has
--   room  for how many events there is room now, in millionths of an event; negative: a debt. A rate of
--         R events a second fills it by R millionths each microsecond up to one second's events, so that
--         whole numbers are exact
--   at    when that was so (us of this server's clock)
--   day   since 1970, and `used`: the events of that day
-- KEYS 1 limit:<key id>
-- ARGV 1 events a second  2 events a day (0: no limit)
--      3 want   grant so many events, or those for which there is room
--      4 must   grant at least so many, or none
--      5 least  room for so many is enough; the rest of `must` becomes a debt
--      6 unpaid  events that were posted without a grant; negative: granted events that are given back
--      7 the day of the events that are given back
-- Returns {granted; room; events left of the day; us until the day ends; day}
local MILLION, DAY_US, SHARE = 1000000, 86400000000, 8
local MAX_ELAPSED_US = 120 * MILLION -- longer than any debt lasts; keeps products exact
local rate, per_day = tonumber(ARGV[1]), tonumber(ARGV[2])
local want, must, least, unpaid = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local now = now_us()
local today = math.floor(now / DAY_US)
local full = rate * MILLION
local h = redis.call('HMGET', KEYS[1], 'room', 'at', 'day', 'used')
local room, used = full, 0
if h[1] then
  -- A clock that was set back must not stop the filling until it has caught up.
  local elapsed = math.min(math.max(now - tonumber(h[2]), 0), MAX_ELAPSED_US)
  room = math.min(tonumber(h[1]) + elapsed * rate, full)
  if tonumber(h[3]) == today then used = tonumber(h[4]) end
end
if unpaid > 0 then
  -- After an outage nobody waits for more than a second's events.
  room = math.max(room - unpaid * MILLION, math.min(room, -full))
  used = used + unpaid
elseif unpaid < 0 then
  room = math.min(room - unpaid * MILLION, full)
  if tonumber(ARGV[7]) == today then used = math.max(used + unpaid, 0) end
end
local granted = want
if rate > 0 then granted = math.min(granted, math.floor(room / MILLION)) end
-- Near the end of a quota, no process holds many of the last events while others are refused.
if per_day > 0 then granted = math.min(granted, math.floor((per_day - used) / SHARE)) end
granted = math.max(granted, must)
if rate > 0 and room < least * MILLION then granted = 0 end
if per_day > 0 and used + must > per_day then granted = 0 end
if rate > 0 then room = room - granted * MILLION end
used = used + granted
redis.call('HSET', KEYS[1], 'room', room, 'at', now, 'day', today, 'used', used)
-- A day's count is never evicted; a rate alone is as new once its room is full.
if per_day == 0 then redis.call('PEXPIRE', KEYS[1], math.ceil((full - room) / rate / 1000) + 1000) end
return {granted, room, math.max(per_day - used, 0), (today + 1) * DAY_US - now, today}
