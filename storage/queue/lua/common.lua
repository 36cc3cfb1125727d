-- Inserted into every script of the queue. The state hash of a shard:
--   st        'q' a drain is queued | 'r' a drain runs | absent: idle
--   exp       until when st is valid, ms of this server's clock; after it the sweeper acts
--   gen       raised at each enqueue: the RQ job is drain-<shard>-<gen>
--   fence     raised at each start: the token a drain must present to change anything
--   open      set while a drain holds the lease; a killed drain leaves it set
--   accepted  events ever appended     trimmed  events ever stored and removed
--   foreign   entries ever removed that no append has added (somebody else's XADD)
--   bytes     of the queued events     since    when the first was accepted (ms)
--   pace      events that the worker which drained last stores per second of work
--   pace_at   when that was measured (ms), 0 if it is a lower bound
--   imported_from, imported_to  the earliest and latest time (ms) in the ids of imported events that
--             may be queued
--   last_error  why the last drain ended early; new events go to other
--             shards until a batch of this one is stored again
local LAST_ID = '18446744073709551615-18446744073709551615' -- nothing can be appended after it
local function now_us()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end
local function now_ms() return math.floor(now_us() / 1000) end
-- No term is longer than this. If one seems longer, the clock has been set back since: it must not keep
-- a dead drain alive until the clock has caught up.
local MAX_TERM_MS = 60000
local function alive(exp)
  local left = tonumber(exp) - now_ms()
  return left > 0 and left <= MAX_TERM_MS
end
-- Returns the last id that the stream has assigned, '0-0' for none, '' if unknown. No entry was ever
-- above it, unless somebody has recreated the stream.
local function last_id(stream)
  local info = redis.pcall('XINFO', 'STREAM', stream)
  if info.err and string.find(info.err, 'no such key', 1, true) then return '0-0' end
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return info[i + 1] end
  end
  return ''
end
-- Returns by how many ms an id is ahead of this server's clock; 0 within the usual difference of clocks.
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
-- Returns why events can't be appended now, or nil. ARGV 2 to 5 are those of append.lua; `last` is the
-- index of the argument before the events.
local function refused(state, stream, last)
  if now_ms() - tonumber(ARGV[2]) > tonumber(ARGV[3]) then return -1 end
  local count, size = (#ARGV - last) / 2, 0
  for i = last + 2, #ARGV, 2 do size = size + #ARGV[i] end
  if redis.call('XLEN', stream) + count > tonumber(ARGV[4]) then return -2 end
  local bytes = tonumber(redis.call('HGET', state, 'bytes') or '0')
  if bytes + size > tonumber(ARGV[5]) then return -2 end
end
-- Max arguments of one command: Lua's stack has room for 8,000.
local CHUNK = 2000
-- Returns which of the ids ARGV[first], ARGV[first + 2] ... the index has already: {position = true}.
-- A retry has the same ids in the same order, and its last event leaves the shard last: if neither the
-- first nor the last id is known, none is. That does not hold for imported events (`imported`): the same
-- ids may come in another request, in another order.
local function known(ids, first, imported)
  local found, ends = {}, redis.call('HMGET', ids, ARGV[first], ARGV[#ARGV - 1])
  if not imported and not ends[1] and not ends[2] then return found end
  for from = first, #ARGV, 2 * CHUNK do
    local asked = {}
    for i = from, math.min(from + 2 * CHUNK - 1, #ARGV), 2 do asked[#asked + 1] = ARGV[i] end
    for n, entry in ipairs(redis.call('HMGET', ids, unpack(asked))) do
      if entry then found[from + 2 * (n - 1)] = true end
    end
  end
  return found
end
-- Imported events are of any time. Their times since the index was last empty are noted, so that most
-- imports, which come in the order of time, need not be looked for.
local function note_imported(state, ids, from, to)
  local noted = redis.call('HMGET', state, 'imported_from', 'imported_to')
  if noted[1] and redis.call('HLEN', ids) > 0 then
    from, to = math.min(from, tonumber(noted[1])), math.max(to, tonumber(noted[2]))
  end
  redis.call('HSET', state, 'imported_from', from, 'imported_to', to)
end
-- Returns whether events of these times may be queued. A posted event is at most a term older than its
-- entry, and the clock may have been set back by a term since. False for an event that an API process of an
-- earlier release has imported, and that still waits: it counts as new then, and is stored once all the same.
local function may_have(stream, state, from, to)
  local first = redis.pcall('XRANGE', stream, '-', '+', 'COUNT', 1)
  local noted = redis.pcall('HMGET', state, 'imported_from', 'imported_to')
  if first.err or noted.err then return true end -- a wrong type: the index may still be right
  local oldest = first[1]
  if not oldest then return false end
  local posted_from = tonumber(string.match(oldest[1], '^%d+')) - 2 * MAX_TERM_MS
  if to >= posted_from or ms_ahead(oldest[1]) > 0 then return true end
  return noted[1] and from <= tonumber(noted[2]) and to >= tonumber(noted[1])
end
-- Returns the positions, from 0, of those ids that the index has; `joined`: 16 bytes each, as one text.
local function positions(ids, joined)
  local found, count, sub = {}, #joined / 16, string.sub
  if redis.call('HLEN', ids) == 0 then return found end
  for from = 0, count - 1, CHUNK do
    local asked = {}
    local last = math.min(CHUNK, count - from)
    for n = 1, last do asked[n] = sub(joined, 16 * (from + n) - 15, 16 * (from + n)) end
    local entries = redis.call('HMGET', ids, unpack(asked))
    for n = 1, last do
      if entries[n] then found[#found + 1] = from + n - 1 end
    end
  end
  return found
end
-- Run write(undo), all or nothing. A command that fails (wrong type, no id left, no right) ends a
-- script but does not undo earlier writes: so run the functions in `undo`, from the last to the first,
-- and answer with an error that begins with SHARD. Another shard may take the events.
local function all_or_nothing(write)
  local undo = {}
  local done, answer = pcall(write, undo)
  if done then return answer end
  for i = #undo, 1, -1 do pcall(undo[i]) end
  return redis.error_reply('SHARD ' .. (type(answer) == 'table' and answer.err or tostring(answer)))
end
-- Remove appended entries again. `entries`: id, entry, id, entry. Without the right to XDEL the index
-- keeps them, so that a retry does not append them again.
local function take_back(stream, ids, entries)
  for i = 1, #entries, 2 do redis.call('XDEL', stream, entries[i + 1]) end
  for i = 1, #entries, 2 do redis.call('HDEL', ids, entries[i]) end
end
-- Append ARGV[first], ARGV[first + 1] ...: id, event, id, event. ARGV 1 is queued_ttl_ms.
-- An id that is known, or comes twice, is a retry whose first answer was lost: it is not added again.
-- Puts a function into `undo` for each step (see all_or_nothing).
-- Returns {generation to enqueue or 0; events ever appended (these are stored once so many are trimmed);
-- events and bytes of the backlog; events added now}.
local function append(undo, stream, state, ids, first, imported)
  local skip, entries, added, size = known(ids, first, imported), {}, 0, 0
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
  -- An expired state is left to the sweeper: it can check whether the job is still in RQ's list.
  local generation = 0
  if redis.call('HEXISTS', state, 'st') == 0 then generation = queued(state, ARGV[1]) end
  return {generation, accepted, redis.call('XLEN', stream), bytes, added}
end
-- Returns the bytes of those entries before `keep` (`+`: of all) whose ids are ARGV[first] ...
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
