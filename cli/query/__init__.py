"""Read the history at the terminal: `activity query` and `activity get`, over HTTP."""
