#!lua flags=no-writes
-- Read every API key. KEYS 1 keys  2 keys:version. ARGV 1 max number of records
-- Returns {version ('' for none), number of records, {id, record, id, record ...} (empty if there are
--          more than the maximum)}.
local count = redis.call('HLEN', KEYS[1])
local found = count <= tonumber(ARGV[1]) and redis.call('HGETALL', KEYS[1]) or {}
return {redis.call('GET', KEYS[2]) or '', count, found}
