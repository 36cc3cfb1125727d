-- Prepended to every script of the queue. The state hash of a shard:
--   st        'q' a drain is queued | 'r' a drain runs | absent: idle
--   exp       until when st holds, ms of this server's clock; past it the sweeper acts
--   gen       bumped at each enqueue: the RQ job is drain-<shard>-<gen>
--   fence     bumped at each start: the token a drain must show to change anything
--   open      there since a drain began, until it finished: a killed one leaves it
--   accepted  events ever appended     trimmed  events ever stored and removed
--   foreign   entries ever removed that no append has added: somebody else's XADD
--   bytes     of the queued events     since    when the first was accepted (ms)
--   last_error  why the last drain ended early; new events go to other
--             shards until a batch of this one is stored again
local LAST_ID = '18446744073709551615-18446744073709551615' -- nothing can be appended behind it
local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
local function now_ms() return math.floor(now_us() / 1000) end
-- No term is longer than this. One that seems to be was written before the clock went back, and
-- must not keep a dead drain alive until the clock has caught up.
local MAX_TERM_MS = 60000
local function alive(exp)
  local left = tonumber(exp) - now_ms()
  return left > 0 and left <= MAX_TERM_MS
end
-- The last id that a stream has given, '0-0' for none, '' where it can't be asked. Not less than any
-- entry that there is or was, unless somebody made the stream anew.
local function last_id(stream)
  local info = redis.pcall('XINFO', 'STREAM', stream)
  if info.err and string.find(info.err, 'no such key', 1, true) then return '0-0' end
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return info[i + 1] end
  end
  return ''
end
-- An id's time less this server's, or 0 where it is not ahead by more than clocks are.
local function ms_ahead(id)
  local ahead = (tonumber(string.match(id, '^%d+')) or 0) - now_ms()
  return ahead > MAX_TERM_MS and ahead or 0
end
local function queued(state, ttl)
  redis.call('HSET', state, 'st', 'q', 'exp', now_ms() + tonumber(ttl))
  return redis.call('HINCRBY', state, 'gen', 1)
end
local function holds(state, fence)
  local h = redis.call('HMGET', state, 'st', 'fence')
  return h[1] == 'r' and h[2] == fence
end
-- Why events can't be appended now, or nil. ARGV 2 to 5 are append.lua's; `last` is the one
-- before the events.
local function refused(state, stream, last)
  if now_ms() - tonumber(ARGV[2]) > tonumber(ARGV[3]) then return -1 end
  local count, size = (#ARGV - last) / 2, 0
  for i = last + 2, #ARGV, 2 do size = size + #ARGV[i] end
  if redis.call('XLEN', stream) + count > tonumber(ARGV[4]) then return -2 end
  local bytes = tonumber(redis.call('HGET', state, 'bytes') or '0')
  if bytes + size > tonumber(ARGV[5]) then return -2 end
end
-- Most arguments of one command: Lua's stack has room for 8,000.
local CHUNK = 2000
-- Which of the ids ARGV[first], ARGV[first + 2] ... are in the index already: {position = true}.
-- A call is sent again as it was, and its last event leaves the shard last: if neither that one nor
-- the first is known, none is.
local function known(ids, first)
  local found, ends = {}, redis.call('HMGET', ids, ARGV[first], ARGV[#ARGV - 1])
  if not ends[1] and not ends[2] then return found end
  for from = first, #ARGV, 2 * CHUNK do
    local asked = {}
    for i = from, math.min(from + 2 * CHUNK - 1, #ARGV), 2 do asked[#asked + 1] = ARGV[i] end
    for n, entry in ipairs(redis.call('HMGET', ids, unpack(asked))) do
      if entry then found[from + 2 * (n - 1)] = true end
    end
  end
  return found
end
-- Run write(undo), all or nothing. A command that fails (wrong type, no id left, no right) ends a
-- script and leaves what was written before it: so undo that, from the last to the first function in
-- `undo`, and answer with an error that begins with SHARD: another shard may do better.
local function all_or_nothing(write)
  local undo = {}
  local done, answer = pcall(write, undo)
  if done then return answer end
  for i = #undo, 1, -1 do pcall(undo[i]) end
  return redis.error_reply('SHARD ' .. (type(answer) == 'table' and answer.err or tostring(answer)))
end
-- Take entries back. `entries`: id, entry, id, entry. Where the right to XDEL is missing the index
-- keeps them, so that a retry is not appended again.
local function take_back(stream, ids, entries)
  for i = 1, #entries, 2 do redis.call('XDEL', stream, entries[i + 1]) end
  for i = 1, #entries, 2 do redis.call('HDEL', ids, entries[i]) end
end
-- Append ARGV[first], ARGV[first + 1] ...: id, event, id, event. ARGV 1 is queued_ttl_ms.
-- What is known, or comes twice, is a retry whose first answer was lost: it is not added again.
-- `undo` gets what takes each step back (all_or_nothing).
-- Returns {the generation to enqueue or 0, events ever appended: stored once so many are trimmed,
-- events and bytes of the backlog}.
local function append(undo, stream, state, ids, first)
  local skip, entries, added, size = known(ids, first), {}, 0, 0
  undo[1] = function() take_back(stream, ids, entries) end
  for i = first, #ARGV, 2 do
    if not skip[i] and not skip[ARGV[i]] then
      skip[ARGV[i]] = true
      local entry = redis.call('XADD', stream, '*', 'e', ARGV[i + 1])
      entries[#entries + 1] = ARGV[i]
      entries[#entries + 1] = entry
      added, size = added + 1, size + #ARGV[i + 1]
    end
  end
  for i = 1, #entries, CHUNK do
    redis.call('HSET', ids, unpack(entries, i, math.min(i + CHUNK - 1, #entries)))
  end
  local accepted = redis.call('HINCRBY', state, 'accepted', added)
  undo[2] = function() redis.call('HINCRBY', state, 'accepted', -added) end
  if accepted == added then redis.call('HSETNX', state, 'since', now_ms()) end
  local bytes = redis.call('HINCRBY', state, 'bytes', size)
  undo[3] = function() redis.call('HINCRBY', state, 'bytes', -size) end
  -- A state that has expired is the sweeper's: it can see whether the job still waits.
  local generation = 0
  if redis.call('HEXISTS', state, 'st') == 0 then generation = queued(state, ARGV[1]) end
  return {generation, accepted, redis.call('XLEN', stream), bytes}
end
-- The size of the entries before the entry `keep` (`+`: of all) that the ids ARGV[first] ... stand for.
local function appended_bytes(stream, ids, keep, first)
  local known, size, from = {}, 0, '-'
  local to = keep == '+' and keep or '(' .. keep
  for i = first, #ARGV, CHUNK do
    local some = redis.call('HMGET', ids, unpack(ARGV, i, math.min(i + CHUNK - 1, #ARGV)))
    for _, entry in ipairs(some) do if entry then known[entry] = true end end
  end
  while from do
    local some = redis.call('XRANGE', stream, from, to, 'COUNT', 256)
    for _, entry in ipairs(some) do
      if known[entry[1]] then size = size + #entry[2][2] end
    end
    from = some[256] and some[256][1] ~= LAST_ID and '(' .. some[256][1]
  end
  return size
end
