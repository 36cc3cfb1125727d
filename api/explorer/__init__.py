"""The explorer: the page for people, and the files that it loads."""
