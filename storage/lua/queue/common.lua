-- Prepended to every script of the queue. The state hash of a shard:
--   st        'q' a drain is queued | 'r' a drain runs | absent: idle
--   exp       until when st holds, ms of this server's clock; past it the sweeper acts
--   gen       bumped at each enqueue: the RQ job is drain-<shard>-<gen>
--   fence     bumped at each start: the token a drain must show to change anything
--   accepted  events ever appended     trimmed  events ever stored and removed
local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
local function now_ms() return math.floor(now_us() / 1000) end
local function queued(state, ttl)
  redis.call('HSET', state, 'st', 'q', 'exp', now_ms() + tonumber(ttl))
  return redis.call('HINCRBY', state, 'gen', 1)
end
local function holds(state, fence)
  local h = redis.call('HMGET', state, 'st', 'fence')
  return h[1] == 'r' and h[2] == fence
end
