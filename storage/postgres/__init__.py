"""Access to PostgreSQL: engines, sessions, tables, partitions, locks, migrations."""
