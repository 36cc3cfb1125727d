"""What the service stores and is asked for: events, filters, pages. Pure."""
