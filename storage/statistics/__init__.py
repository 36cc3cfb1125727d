"""Counting the history: bars over time, groups, from the counts by hour and from the table."""
