"""How long events are kept: by age, by room on disk, and never against a legal hold."""
