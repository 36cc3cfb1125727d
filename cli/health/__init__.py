"""The checks of `activity health`. Standard library only, so that a probe starts fast."""
