#!lua flags=no-writes
-- Which of many ids are queued on this shard? KEYS 1 ids  2 stream  3 state
-- ARGV 1 the ids, 16 bytes each, as one text  2, 3 the earliest and latest time in them (ms)
-- Returns the position of each that is, from 0.
if not may_have(KEYS[2], KEYS[3], tonumber(ARGV[2]), tonumber(ARGV[3])) then return {} end
return positions(KEYS[1], ARGV[1])
