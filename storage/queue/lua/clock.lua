#!lua flags=no-writes
-- The clock of the server that has the key, in ms. KEYS 1 any
return string.format('%.0f', now_ms())
