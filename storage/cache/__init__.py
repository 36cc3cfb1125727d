"""The query cache: pages that are served only while they are provably current."""
