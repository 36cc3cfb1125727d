"""Count the history: bars over time and facets, from the counts by hour and from the table."""
