#!lua flags=allow-oom
-- Put records of API keys, all of them or none: only if each is still as the caller has read it.
-- KEYS 1 keys  2 keys:version  3 keys:audit
-- ARGV 1 new version ('': as before)  2 max number of records
--      3 audit line ('': none)  4 max number of audit lines
--      5 ... id, the record as it was read ('': none), the new record
-- Returns 1 done | 0 a record has changed since it was read | -1 too many records | -2 too many audit
-- lines.
local count, put = redis.call('HLEN', KEYS[1]), {}
for i = 5, #ARGV, 3 do
  local record = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  if record ~= ARGV[i + 1] then return 0 end
  if record == '' then count = count + 1 end
  put[#put + 1] = ARGV[i]
  put[#put + 1] = ARGV[i + 2]
end
if count > tonumber(ARGV[2]) and count > redis.call('HLEN', KEYS[1]) then return -1 end
if ARGV[3] ~= '' then
  if redis.call('LLEN', KEYS[3]) >= tonumber(ARGV[4]) then return -2 end
  redis.call('RPUSH', KEYS[3], ARGV[3])
end
if #put > 0 then redis.call('HSET', KEYS[1], unpack(put)) end
if ARGV[1] ~= '' then redis.call('SET', KEYS[2], ARGV[1]) end
return 1
