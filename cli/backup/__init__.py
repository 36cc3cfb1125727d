"""Back up the embedded service, restore it, and upgrade its PostgreSQL."""
