#!lua flags=no-writes
-- Which of many ids are queued on this shard? KEYS 1 ids   ARGV 1 the ids, 16 bytes each, as one text
-- Returns the position of each that is, from 0.
return positions(KEYS[1], ARGV[1])
