"""The checks of `activity doctor`: facts from the servers, checks on them, and the report."""
