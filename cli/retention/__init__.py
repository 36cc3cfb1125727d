"""What `activity retention` prints."""
