"""Accept events: read, stamp, commit in groups, acknowledge."""
