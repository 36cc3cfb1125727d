#!lua flags=no-writes
-- Find the record of an idempotency key.
-- KEYS 1 stream (names the shard)  2 state  3 record of the key
-- Returns {the record, or nil; events ever appended}.
return {redis.call('GET', KEYS[3]), tonumber(redis.call('HGET', KEYS[2], 'accepted') or '0')}
