#!lua flags=allow-oom
-- Release the lease.
-- KEYS 1 state  2 stream   ARGV 1 fence  2 queued_ttl_ms
-- Returns -1 if the lease is lost, 0 if the shard is idle, else the generation of the next drain, which
-- the caller enqueues.
if not holds(KEYS[1], ARGV[1]) then return -1 end
redis.call('HDEL', KEYS[1], 'open')
if redis.call('XLEN', KEYS[2]) == 0 then
  redis.call('HDEL', KEYS[1], 'st', 'exp', 'last_error')
  return 0
end
return queued(KEYS[1], ARGV[2])
