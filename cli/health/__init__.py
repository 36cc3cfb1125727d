"""The checks of `activity health`, with the standard library only."""
