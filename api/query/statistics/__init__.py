"""Answer statistics: from a query string to a question, and from counts to an answer."""
