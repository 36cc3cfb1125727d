"""The query language of `q=`: from a question to a tree of terms, or to every fault in it."""
