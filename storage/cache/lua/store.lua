#!lua
-- Store a page under the generations it was read under, and release its lock.
-- KEYS 1 page  2 lock
-- ARGV 1 generations (or `closed`) as lookup gave them  2 body  3 etag  4 ttl_ms
--      5 token of the caller
redis.call('HSET', KEYS[1], 'generations', ARGV[1], 'body', ARGV[2], 'etag', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if redis.call('GET', KEYS[2]) == ARGV[5] then redis.call('DEL', KEYS[2]) end
