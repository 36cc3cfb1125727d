"""Input formats: from a request's body to events."""
