"""OpenTelemetry logs (OTLP)."""
