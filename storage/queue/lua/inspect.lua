#!lua flags=no-writes
-- Read the state of one shard. KEYS 1 state  2 stream  3 ids
-- Returns {accepted, trimmed, entries, entries that were appended, foreign entries removed, bytes,
--          age of the oldest entry in ms (0: no entry, -1: its id is ahead of the clock), state, why
--          the last drain ended early ('' if it did not), when the first event was accepted (ms, 0:
--          none yet), the stream's last id if it is ahead of the clock, else '', the pace of the last
--          worker ('' unknown), when that was measured (ms, 0: it is a lower bound)}.
local h = redis.call('HMGET', KEYS[1], 'accepted', 'trimmed', 'bytes', 'st', 'exp', 'last_error',
  'since', 'foreign', 'pace', 'pace_at')
local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
local waited = first and math.max(now_ms() - tonumber(string.match(first[1], '^%d+')), 0) or 0
if first and ms_ahead(first[1]) > 0 then waited = -1 end
local last = last_id(KEYS[2])
local state = 'idle'
if h[4] then state = not alive(h[5]) and 'expired' or h[4] == 'r' and 'draining' or 'queued' end
return {tonumber(h[1] or '0'), tonumber(h[2] or '0'), redis.call('XLEN', KEYS[2]),
  redis.call('HLEN', KEYS[3]), tonumber(h[8] or '0'), tonumber(h[3] or '0'), waited, state,
  h[6] or '', tonumber(h[7] or '0'), ms_ahead(last) > 0 and last or '',
  string.match(h[9] or '', '^%d+%.%d+$') or '', tonumber(h[10]) or 0}
