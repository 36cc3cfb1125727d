#!lua flags=allow-oom
-- Release the lock of a page that is not stored.   KEYS 1 lock   ARGV 1 token of the caller
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
