-- Prepended to every script of the queue. The state hash of a shard:
--   st        'q' a drain is queued | 'r' a drain runs | absent: idle
--   exp       until when st holds, ms of this server's clock; past it the sweeper acts
--   gen       bumped at each enqueue: the RQ job is drain-<shard>-<gen>
--   fence     bumped at each start: the token a drain must show to change anything
--   open      there since a drain began, until it finished: a killed one leaves it
--   accepted  events ever appended     trimmed  events ever stored and removed
local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
local function now_ms() return math.floor(now_us() / 1000) end
-- No term is longer than this. One that seems to be was written before the clock went back, and
-- must not keep a dead drain alive until the clock has caught up.
local GREATEST_TERM_MS = 60000
local function alive(exp)
  local left = tonumber(exp) - now_ms()
  return left > 0 and left <= GREATEST_TERM_MS
end
local function queued(state, ttl)
  redis.call('HSET', state, 'st', 'q', 'exp', now_ms() + tonumber(ttl))
  return redis.call('HINCRBY', state, 'gen', 1)
end
local function holds(state, fence)
  local h = redis.call('HMGET', state, 'st', 'fence')
  return h[1] == 'r' and h[2] == fence
end
