#!lua flags=no-writes
-- Which of these cached pages may be served now? Like lookup.lua, for many pages, without bodies.
-- KEYS 1 generations  2 pending writers  then the pages
-- Also reads cache:pending_tags:<writer> of each pending writer.
-- ARGV 1 grace_us after the epoch began  then for each page: how many tags it has, its tags
-- Returns for each page its etag, or nil.
local epoch = redis.call('HGET', KEYS[1], 'epoch') or '0'
local settled = epoch ~= '0' and now_us() - tonumber(epoch) >= tonumber(ARGV[1])
local shards = redis.call('ZRANGE', KEYS[2], 0, -1)
local closed, closed_pending = read_generations(KEYS[1], shards, epoch, 'closed', {'closed'})
local etags, at = {}, 2
for i = 3, #KEYS do
  local last = at + tonumber(ARGV[at])
  local open, pending = read_generations(KEYS[1], shards, epoch, 'open', {unpack(ARGV, at + 1, last)})
  local page = redis.call('HMGET', KEYS[i], 'generations', 'etag')
  local fits = (page[1] == open and not pending) or (page[1] == closed and not closed_pending)
  etags[i - 2] = settled and fits and page[2]
  at = last + 1
end
return etags
