#!lua flags=allow-oom
-- Which of these closed days may be used now, and under which generations may others be kept?
-- KEYS 1 generations  2 pending writers  then the days
-- Also reads cache:pending_tags:<writer> of each pending writer.
-- ARGV 1 grace_us after the epoch began  2 watermark_ms, 0: unknown, or nothing will be kept
-- Returns {closed, watermark_ms, then for each day its body, or nil}: keep a day under `closed` if
-- it ends at this watermark or before, and its events are read after this call.
local epoch, settled = begin_epoch(KEYS[1], ARGV[1])
if not settled then return {'none', 0} end -- pending tags may be lost
local shards = redis.call('ZRANGE', KEYS[2], 0, -1)
local closed, pending = read_generations(KEYS[1], shards, epoch, 'closed', {'closed'})
local answer = {closed, record_watermark(KEYS[1], KEYS[2], ARGV[2])}
for i = 3, #KEYS do
  local day = redis.call('HMGET', KEYS[i], 'generations', 'body')
  answer[i] = day[1] == closed and not pending and day[2]
end
return answer
