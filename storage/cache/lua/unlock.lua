#!lua flags=allow-oom
-- The query failed, or its page is not worth keeping. KEYS 1 lock   ARGV 1 token
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
