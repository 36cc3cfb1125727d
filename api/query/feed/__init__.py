"""The feed over HTTP: tokens, long polls (`changes`) and event streams (`tail`)."""
