"""The door to PostgreSQL: engines, tables, partitions, migrations."""
