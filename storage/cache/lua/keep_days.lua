#!lua
-- Keep counts of closed days under the generations that lookup_days.lua gave before they were read.
-- KEYS the days   ARGV 1 generations  2 ttl_ms  then the body of each day
for i, key in ipairs(KEYS) do
  redis.call('HSET', key, 'generations', ARGV[1], 'body', ARGV[i + 2])
  redis.call('PEXPIRE', key, ARGV[2])
end
