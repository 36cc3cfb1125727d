#!lua flags=allow-oom
-- As find_record.lua, behind a write that replicas can confirm: who wrote the record may not have waited
-- for them. KEYS 4 probe
local known = redis.call('GET', KEYS[3])
if known then redis.call('SET', KEYS[4], now_ms()) end
return {known, tonumber(redis.call('HGET', KEYS[2], 'accepted') or '0')}
