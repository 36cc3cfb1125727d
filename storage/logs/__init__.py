"""What every process logs, and how: redacted, a line for each record, never blocking."""
