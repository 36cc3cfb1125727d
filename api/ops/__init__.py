"""What operators and orchestrators ask: health and status."""
